"""What no playbook can get round: the protected list, the budget, the description."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.respond.journal import Journal
from agent.respond.policy import Policy, PolicyError, load
from agent.respond.protected import Guard, own_processes
from agent.respond.request import Request, RequestError
from agent.respond.runner import Host, Runner
from responders.system import KERNEL_THREAD, Linux, Process

from .helpers import Json, Kill, Spawn, kill_request, parent_and_child, subject_of

SSHD = "/usr/sbin/sshd"


class Table:
    """A made-up host."""

    ticks_per_second = 100

    def __init__(self, *processes: Process) -> None:
        self._processes = {one.pid: one for one in processes}

    def facts(self, pid: int) -> Process | None:
        return self._processes.get(pid)

    def parents(self) -> dict[int, int]:
        return {one.pid: one.ppid for one in self._processes.values()}

    def childless(self, pid: int) -> bool:
        return pid not in self.parents().values()

    def hold(self, pid: int) -> None:
        raise AssertionError("a guard only looks")

    boot_id = "b"

    def stopped(self, pid: int) -> bool:
        raise AssertionError("a guard only looks")

    def read(self, pid: int, name: str, most: int) -> bytes | None:
        raise AssertionError("a guard only looks")

    def links(self, pid: int, name: str) -> dict[str, str]:
        raise AssertionError("a guard only looks")

    def open_program(self, pid: int) -> int | None:
        raise AssertionError("a guard only looks")


def _process(pid: int, ppid: int = 1, exe: str | None = "/bin/x", **changes: Any) -> Process:
    return replace(Process(pid=pid, ppid=ppid, start_ticks=pid, exe=exe), **changes)


INIT = _process(1, 0, "/sbin/init")
HOST = Table(
    INIT,
    _process(2, 0, None, flags=KERNEL_THREAD),
    _process(10, 1, "/usr/bin/supervisor"),
    _process(11, 10, SSHD),
    _process(12, 11, SSHD),  # the part of a session that stays root
    _process(13, 12, SSHD, uid=1000),  # the part that is the user
    _process(14, 13, "/bin/bash", uid=1000),
    _process(15, 14, SSHD, uid=1000),  # the user's own sshd
    _process(20, 1, SSHD + " (deleted)"),  # replaced by an update, still running
    _process(21, 1, SSHD, own_mounts=False),  # a file of that name in a container
    _process(22, 1, "/tmp/sshd", name="sshd"),
    _process(30, 1, "/usr/bin/containerd"),
    _process(31, 30, "/usr/bin/nginx"),
    _process(32, 1, "/usr/bin/containerd", uid=1000),
    _process(40, 12, "/usr/bin/python3"),  # the link
    _process(41, 40, "/usr/bin/sleep"),
    _process(42, 41, "/usr/bin/sleep"),
    _process(50, 1, "/usr/lib/postgresql/15/bin/postgres", uid=26),
)


@pytest.mark.parametrize(
    ("pid", "reason"),
    [
        (1, "it is init"),
        (2, "it is a thread of the kernel"),
        (10, "it is an ancestor of"),
        (11, "it is sshd"),
        (12, "it is sshd"),
        (13, "it is sshd"),
        (14, None),
        (15, None),
        (20, "it is sshd"),
        (21, None),
        (22, None),
        (30, "/usr/bin/containerd is a container runtime"),
        (31, None),
        (32, None),
        (40, "it is the agent"),
        (42, "it is the agent"),
        (50, None),
    ],
)
def test_protected(pid: int, reason: str | None) -> None:
    process = HOST.facts(pid)
    assert process is not None
    found = Guard(HOST, Policy(), frozenset({40}))(process)
    assert (found or "").startswith(reason or "")
    assert (found is None) is (reason is None)


@pytest.mark.parametrize(
    "policy",
    [Policy(programs=frozenset({"/usr/lib/postgresql/15/bin/postgres"})), Policy(uids=frozenset({26}))],
)
def test_the_operators_list_adds_to_it(policy: Policy) -> None:
    process = HOST.facts(50)
    assert process is not None
    assert "operator's list" in (Guard(HOST, policy, frozenset())(process) or "")


def test_having_no_children_is_told(spawn: Spawn) -> None:
    root, child = parent_and_child(spawn)
    assert Linux().childless(child)
    assert not Linux().childless(root.pid)
    assert not Linux().childless(2**22 + 1)


def test_init_is_refused_for_real(kill: Kill) -> None:
    answer = kill(1)
    assert answer["state"] == "refused"
    assert "it is init" in answer["result"]["reason"]


def test_the_agents_own_processes_are_refused_for_real(
    journal: Journal, victim: subprocess.Popen[bytes]
) -> None:
    system = Linux()
    runner = Runner(journal, Host(system=system, policy=Policy, own=lambda: frozenset({os.getpid()})))
    for pid in (os.getpid(), os.getppid(), victim.pid):
        process = system.facts(pid)
        assert process is not None
        answer = runner.run(kill_request(subject_of(process, system.ticks_per_second)))
        assert answer["state"] == "refused"
        assert "agent" in answer["result"]["reason"] or "init" in answer["result"]["reason"]


def test_the_daemon_is_known_by_its_pid_file(tmp_path: Path) -> None:
    (tmp_path / "agent.pid").write_text("4242\n")
    assert own_processes(tmp_path / "agent.pid") == {os.getpid(), 4242}
    assert own_processes(tmp_path / "none") == {os.getpid()}


def test_a_tree_with_a_protected_member_is_left_whole_and_running(spawn: Spawn, journal: Journal) -> None:
    system = Linux()
    root, child = parent_and_child(spawn)
    process = system.facts(root.pid)
    facts = system.facts(child)
    assert process is not None
    while facts is not None and facts.exe == process.exe:  # the shell forks first and executes then
        facts = system.facts(child)
    assert facts is not None
    policy = Policy(programs=frozenset({str(facts.exe)}))
    runner = Runner(journal, Host(system=system, policy=lambda: policy, own=frozenset))
    answer = runner.run(kill_request(subject_of(process, system.ticks_per_second), tree=True))
    assert answer["state"] == "refused"
    assert f"descendant, process {child}, is protected" in answer["result"]["reason"]
    assert root.poll() is None
    assert not system.stopped(root.pid)
    assert not system.stopped(child)


def test_more_actions_than_the_budget_allows_are_refused(
    spawn: Spawn, kill: Kill, policy: list[Policy]
) -> None:
    policy[0] = Policy(actions=2, seconds=60)
    victims = [spawn() for _ in range(3)]
    answers = [kill(victim.pid) for victim in victims]
    assert [answer["state"] for answer in answers] == ["done", "done", "refused"]
    assert "budget is spent: 2 actions in the last 60 s" in answers[2]["result"]["reason"]
    assert victims[2].poll() is None


def test_a_budget_comes_back_with_time(journal: Journal, spawn: Spawn) -> None:
    system, now = Linux(), [10**18]
    host = Host(system=system, policy=lambda: Policy(actions=1), own=frozenset, now_ns=lambda: now[0])
    runner = Runner(journal, host)
    states = []
    for wait in (0, 59, 2):
        now[0] += wait * 10**9
        process = system.facts(spawn().pid)
        assert process is not None
        states.append(runner.run(kill_request(subject_of(process, system.ticks_per_second)))["state"])
    assert states == ["done", "refused", "done"]


def test_the_budget_holds_across_restarts(tmp_path: Path, spawn: Spawn) -> None:
    system = Linux()
    states = []
    for _ in range(2):
        runner = Runner(
            Journal(tmp_path), Host(system=system, policy=lambda: Policy(actions=1), own=frozenset)
        )
        process = system.facts(spawn().pid)
        assert process is not None
        states.append(runner.run(kill_request(subject_of(process, system.ticks_per_second)))["state"])
    assert states == ["done", "refused"]


def test_a_policy_is_read(tmp_path: Path) -> None:
    file = tmp_path / "respond.yml"
    file.write_text(
        "protected:\n  programs: [/bin/x]\n  users: [root, 26, nobody-of-that-name]\nbudget: {actions: 5}\n"
    )
    assert load(file) == Policy(frozenset({"/bin/x"}), frozenset({0, 26}), 5, 60)
    assert load(tmp_path / "none") == Policy()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protected: [", "respond.yml"),
        ("protect: {}", "'protect' is unknown here; known: budget, protected"),
        ("protected: {programs: [x]}", "'x' is not the full path"),
        ("protected: {programs: x}", "programs must be a list"),
        ("protected: {users: [true]}", "neither a user's name nor a number"),
        ("budget: {actions: lots}", "budget: actions must be a whole number"),
        ("budget: {seconds: 0}", "budget: seconds must be a whole number, 1 or more"),
        ("[]", "must be a mapping"),
    ],
)
def test_a_policy_that_cannot_be_read_stops_every_action(
    tmp_path: Path, journal: Journal, victim: subprocess.Popen[bytes], text: str, message: str
) -> None:
    file = tmp_path / "respond.yml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=None) as caught:
        load(file)
    assert message in str(caught.value)
    system = Linux()
    process = system.facts(victim.pid)
    assert process is not None
    runner = Runner(journal, Host(system=system, policy=lambda: load(file), own=frozenset))
    answer = runner.run(kill_request(subject_of(process, system.ticks_per_second)))
    assert answer["state"] == "refused"
    assert victim.poll() is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"responder": "burn_down"}, "this agent has no responder 'burn_down' (it has: "),
        ({"parameters": {"sginal": "SIGKILL"}}, "kill_process has no parameter 'sginal' (it has: signal"),
        ({"parameters": {"signal": "SIGSTOP"}}, "signal must be one of SIGKILL"),
        ({"parameters": {"tree": 1}}, "tree must be true or false, not 1"),
        ({"parameters": {"timeout": 1e9}}, "timeout must be between"),
        ({"target": {"ns_pid": 5}}, "the alert's subject lacks start_ns"),
        ({"target": {"ns_pid": "5", "start_ns": 1}}, "names no process"),
        ({"target": {"ns_pid": -1, "start_ns": 1}}, "names no process"),
        ({"target": {"ns_pid": 5, "start_ns": "x"}}, "does not say when"),
        ({"target": {"ns_pid": True, "start_ns": 1}}, "names no process"),
    ],
)
def test_an_action_that_is_not_described_is_refused(runner: Runner, changes: Json, reason: str) -> None:
    answer = runner.run(replace(kill_request({"ns_pid": 5, "start_ns": 1}), **changes))
    assert answer["state"] == "refused"
    assert reason in answer["result"]["reason"]


@pytest.mark.parametrize(
    "action",
    [None, [], {}, {"key": "short"}, {"key": "a/../../etc/passwd"}, {"key": "key-0001", "responder": 1},
     {"key": "key-0001", "responder": "kill_process", "parameters": []}],
)  # fmt: skip
def test_a_message_that_is_no_action_is_an_error_of_the_protocol(action: Any) -> None:
    with pytest.raises(RequestError):
        Request.parse(action)
