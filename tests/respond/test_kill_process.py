"""``kill_process`` against real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from agent.respond.runner import Runner
from responders.system import Linux

from .helpers import PYTHON, Kill, Spawn, kill_request, subject_of

FAMILY = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''
import subprocess, time
grandchild = subprocess.Popen(["sleep", "600"])
print(grandchild.pid, flush=True)
time.sleep(600)
'''])
print(child.pid, flush=True)
time.sleep(600)
"""


def _family(spawn: Spawn) -> tuple[subprocess.Popen[bytes], list[int]]:
    root = spawn(PYTHON, "-c", FAMILY)
    assert root.stdout is not None
    return root, [int(root.stdout.readline()), int(root.stdout.readline())]


def _gone(system: Linux, pid: int) -> bool:
    process = system.facts(pid)
    return process is None or process.state in "ZX"


def test_kills_the_process_and_says_so(victim: subprocess.Popen[bytes], kill: Kill) -> None:
    answer = kill(victim.pid)
    assert answer["state"] == "done"
    assert answer["result"] == {"already_gone": False, "killed": [victim.pid], "signal": "SIGKILL"}
    assert victim.wait(1) == -signal.SIGKILL
    assert answer["started_ns"] <= answer["ended_ns"]


def test_kills_only_that_process(victim: subprocess.Popen[bytes], spawn: Spawn, kill: Kill) -> None:
    bystander = spawn()
    kill(victim.pid)
    assert bystander.poll() is None


def test_a_process_that_has_ended_is_a_result(
    victim: subprocess.Popen[bytes], runner: Runner, system: Linux
) -> None:
    process = system.facts(victim.pid)
    assert process is not None
    target = subject_of(process, system.ticks_per_second)
    victim.kill()
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    zombie = runner.run(kill_request(target))
    victim.wait()
    reaped = runner.run(kill_request(target))
    assert [one["state"] for one in (zombie, reaped)] == ["done", "done"]
    assert zombie["result"]["already_gone"] is reaped["result"]["already_gone"] is True


def test_another_start_time_is_refused_and_untouched(
    victim: subprocess.Popen[bytes], runner: Runner, system: Linux
) -> None:
    process = system.facts(victim.pid)
    assert process is not None
    target = subject_of(process, system.ticks_per_second)
    target["start_ns"] -= 10**9 // system.ticks_per_second
    answer = runner.run(kill_request(target))
    assert answer["state"] == "refused"
    assert "another process by now" in answer["result"]["reason"]
    assert victim.poll() is None


def test_a_process_that_has_executed_another_program_is_refused_unless_asked_for(
    spawn: Spawn, runner: Runner, system: Linux
) -> None:
    victim = spawn("sh", "-c", "echo ready; read line; exec sleep 600")
    process = system.facts(victim.pid)
    assert process is not None
    target = subject_of(process, system.ticks_per_second) | {"exe": "/usr/bin/evil", "exe_ino": 1}
    refused = runner.run(kill_request(target))
    assert refused["state"] == "refused"
    assert "after_exec: act" in refused["result"]["reason"]
    assert victim.poll() is None
    assert runner.run(kill_request(target, after_exec="act"))["state"] == "done"
    assert victim.wait(1) == -signal.SIGKILL


def test_a_gentle_signal_that_is_ignored_is_a_failure_that_says_so(spawn: Spawn, kill: Kill) -> None:
    stubborn = spawn("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done")
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    answer = kill(stubborn.pid, signal="SIGTERM", timeout=0.1)
    assert answer["state"] == "failed"
    assert f"still there: process {stubborn.pid}" in answer["result"]["reason"]


def test_tree_kills_the_descendants_and_nobody_else(spawn: Spawn, system: Linux, kill: Kill) -> None:
    root, descendants = _family(spawn)
    bystander = spawn()
    answer = kill(root.pid, tree=True)
    assert answer["state"] == "done"
    assert answer["result"]["killed"] == [descendants[1], descendants[0], root.pid]
    assert all(_gone(system, pid) for pid in descendants)
    assert bystander.poll() is None


def test_tree_ends_a_gentle_signal_too(spawn: Spawn, system: Linux, kill: Kill) -> None:
    root, descendants = _family(spawn)
    assert kill(root.pid, tree=True, signal="SIGTERM")["state"] == "done"
    assert all(_gone(system, pid) for pid in descendants)


def test_without_tree_the_children_live(spawn: Spawn, system: Linux, kill: Kill) -> None:
    root, descendants = _family(spawn)
    try:
        kill(root.pid)
        assert not any(_gone(system, pid) for pid in descendants)
    finally:
        for pid in descendants:
            os.kill(pid, signal.SIGKILL)


def test_tree_catches_up_with_a_process_that_keeps_forking(spawn: Spawn, system: Linux, kill: Kill) -> None:
    forker = "import os, time\nwhile True:\n if os.fork() == 0:\n  time.sleep(600)\n time.sleep(0.002)\n"
    root = spawn(PYTHON, "-c", forker)
    time.sleep(0.1)
    answer = kill(root.pid, tree=True)
    assert answer["state"] == "done"
    assert len(answer["result"]["killed"]) > 2
    assert all(_gone(system, pid) for pid in answer["result"]["killed"])
    assert root.pid not in system.parents().values()
