"""``suspend_process``: stopped, let go by undo or by its time to live, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from agent.respond.expiry import Expiry
from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.request import RequestError
from agent.respond.runner import Host, Runner
from responders.registry import RESPONDERS, UNDO
from responders.shape import TTL, Failed
from responders.system import Held, Linux

from .helpers import PYTHON, Json, Spawn, kill_request, parent_and_child, subject_of, suspend_request

KEY = "key-number-1"


def _target(pid: int) -> Json:
    system = Linux()
    process = system.facts(pid)
    assert process is not None
    return subject_of(process, system.ticks_per_second)


def _runner(folder: Path, now: list[int] | None = None) -> Runner:
    clock = (lambda: now[0]) if now is not None else time.time_ns
    return Runner(Journal(folder), Host(system=Linux(), policy=Policy, own=frozenset, now_ns=clock))


def _stopped(pid: int) -> bool:
    return Linux().stopped(pid)


def test_it_stops_and_undo_lets_go(runner: Runner, victim: subprocess.Popen[bytes]) -> None:
    answer = runner.run(suspend_request(_target(victim.pid), KEY))
    assert (answer["state"], answer["result"]["suspended"]) == ("done", [victim.pid])
    assert _stopped(victim.pid)
    undone = runner.undo(KEY, "a test")
    assert undone["state"] == "undone"
    assert undone["result"] == {"resumed": [victim.pid], "why": "a test"}
    assert not _stopped(victim.pid)
    assert victim.poll() is None


def test_undo_happens_once_and_its_end_is_the_actions_end(
    runner: Runner, victim: subprocess.Popen[bytes]
) -> None:
    runner.run(suspend_request(_target(victim.pid), KEY))
    undone = runner.undo(KEY, "a test")
    os.kill(victim.pid, signal.SIGSTOP)
    assert runner.undo(KEY, "again") == undone == runner.get(KEY)
    assert runner.run(suspend_request(_target(victim.pid), KEY)) == undone
    _wait_stopped(victim.pid)


def test_a_process_that_was_stopped_before_stays_stopped(
    runner: Runner, victim: subprocess.Popen[bytes]
) -> None:
    os.kill(victim.pid, signal.SIGSTOP)
    _wait_stopped(victim.pid)
    runner.run(suspend_request(_target(victim.pid), KEY))
    assert runner.undo(KEY, "a test")["result"]["resumed"] == []
    assert _stopped(victim.pid)


def test_a_tree_is_stopped_and_let_go_whole(runner: Runner, spawn: Spawn) -> None:
    root, child = parent_and_child(spawn)
    answer = runner.run(suspend_request(_target(root.pid), KEY, tree=True))
    assert answer["result"]["suspended"] == [root.pid, child]
    assert _stopped(root.pid)
    assert _stopped(child)
    runner.undo(KEY, "a test")
    assert not _stopped(root.pid)
    assert not _stopped(child)


def test_what_cannot_be_undone_says_so(runner: Runner, victim: subprocess.Popen[bytes]) -> None:
    with pytest.raises(RequestError, match="its state is None"):
        runner.undo("key-of-nobody", "a test")
    runner.run(kill_request(_target(victim.pid), KEY))
    with pytest.raises(RequestError, match="kill_process cannot be undone"):
        runner.undo(KEY, "a test")


def test_a_time_to_live_is_kept_by_whoever_opens_the_journal(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    now = [10**18]
    _runner(tmp_path, now).run(suspend_request(_target(victim.pid), KEY, ttl=60.0))
    later = _runner(tmp_path, now)
    assert later.undo_expired() == 60.0
    assert _stopped(victim.pid)
    now[0] += 60 * 10**9
    assert later.undo_expired() is None
    assert not _stopped(victim.pid)
    assert later.get(KEY)["result"]["why"] == "its time to live is over"


def test_one_that_cannot_be_undone_now_is_tried_again_and_keeps_no_other(
    tmp_path: Path, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [10**18]
    runner = _runner(tmp_path, now)
    first, second = spawn(), spawn()
    runner.run(suspend_request(_target(first.pid), "key-first", ttl=1.0))
    runner.run(suspend_request(_target(second.pid), "key-second", ttl=2.0))
    hold = Linux.hold
    failing = [first.pid]

    def refusing(self: Linux, pid: int) -> Held | None:
        if pid in failing:
            raise Failed("no more descriptors")
        return hold(self, pid)

    monkeypatch.setattr(Linux, "hold", refusing)
    now[0] += 3 * 10**9
    assert runner.undo_expired() == 10.0
    assert _stopped(first.pid)
    assert not _stopped(second.pid)
    failing.clear()
    assert runner.undo_expired() == 10.0
    now[0] += 10 * 10**9
    assert runner.undo_expired() is None
    assert not _stopped(first.pid)


def test_without_a_time_to_live_nothing_expires(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    runner = _runner(tmp_path)
    runner.run(suspend_request(_target(victim.pid), KEY, ttl=0.0))
    assert runner.undo_expired() is None
    assert _stopped(victim.pid)


def test_the_watcher_undoes_in_time_what_another_process_began(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    over = threading.Event()
    watcher = Expiry(_runner(tmp_path), over)
    watcher.start()
    _runner(tmp_path).run(suspend_request(_target(victim.pid), KEY, ttl=0.2))
    deadline = time.monotonic() + 5
    while _stopped(victim.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    over.set()
    watcher.join(5)
    assert not _stopped(victim.pid)


DYING = """
import json, os, signal, sys
from pathlib import Path
from agent.respond import journal, runner
from agent.respond.policy import Policy
from agent.respond.request import Request
from responders.system import Linux

class Dying(journal.Journal):
    def append(self, kind, key, **values):
        if kind == sys.argv[2]:
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(kind, key, **values)

run = runner.Runner(Dying(Path(sys.argv[1])), runner.Host(system=Linux(), policy=Policy, own=frozenset))
run.run(Request.parse(json.loads(sys.argv[3])))
run.undo("key-number-1", "a test")
"""


def _die(folder: Path, kind: str, action: Json) -> None:
    dead = subprocess.run([PYTHON, "-c", DYING, folder, kind, json.dumps(action)], check=False)
    assert dead.returncode == -signal.SIGKILL


def test_an_agent_killed_after_it_acted_still_undoes_it_in_time(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    _die(tmp_path, "ended", vars(suspend_request(_target(victim.pid), KEY, ttl=0.1)))
    assert _stopped(victim.pid)
    time.sleep(0.15)
    _runner(tmp_path).undo_expired()
    assert not _stopped(victim.pid)
    assert _runner(tmp_path).get(KEY)["state"] == "undone"


def test_an_agent_killed_while_it_undoes_does_it_again(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    _die(tmp_path, "undone", vars(suspend_request(_target(victim.pid), KEY)))
    assert _runner(tmp_path).get(KEY)["state"] == "done"
    assert _runner(tmp_path).undo(KEY, "again")["state"] == "undone"
    assert not _stopped(victim.pid)


def test_half_a_tree_that_was_stopped_is_let_go(tmp_path: Path, spawn: Spawn) -> None:
    root, child = parent_and_child(spawn)
    # It dies before the second level is noted: the root is stopped, the child is not known of.
    script = DYING.replace(
        "kind == sys.argv[2]", 'kind == "noted" and len(values["values"]["processes"]) == 2'
    )
    action = json.dumps(vars(suspend_request(_target(root.pid), KEY, tree=True)))
    subprocess.run([PYTHON, "-c", script, tmp_path, "", action], check=False)
    assert _stopped(root.pid)
    assert not _stopped(child)
    answer = _runner(tmp_path).get(KEY)
    assert answer["state"] == "failed"
    assert answer["result"]["undone"] == {"resumed": [root.pid]}
    assert not _stopped(root.pid)


def test_after_a_restart_of_the_host_nobody_is_touched(
    tmp_path: Path, victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    _runner(tmp_path).run(suspend_request(_target(victim.pid), KEY))
    runner = _runner(tmp_path)
    monkeypatch.setattr(runner._host.system, "boot_id", "another")
    assert runner.undo(KEY, "a test")["result"]["resumed"] == []
    assert _stopped(victim.pid)  # in truth it would be another process with this pid and start time


def test_an_alert_from_before_a_restart_of_the_host_kills_nobody(
    runner: Runner, victim: subprocess.Popen[bytes]
) -> None:
    answer = runner.run(kill_request({**_target(victim.pid), "boot_id": "another"}))
    assert answer["result"]["already_gone"] is True
    assert victim.poll() is None


def test_every_reversible_responder_has_an_undo_and_a_time_to_live() -> None:
    for name, responder in RESPONDERS.items():
        assert responder.DESCRIPTION.reversible is (name in UNDO)
        assert (responder.DESCRIPTION.parameter(TTL) is not None) is (name in UNDO)


def _wait_stopped(pid: int) -> None:
    deadline = time.monotonic() + 2
    while not _stopped(pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert _stopped(pid)
