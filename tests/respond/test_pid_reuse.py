"""A pid that the kernel has given to another process, for real, and at every moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.runner import Host, Runner
from responders.system import Held, Linux, Process

from .helpers import PYTHON, kill_request

# Runs in a pid namespace of its own, where the next pid can be chosen (proc(5), ns_last_pid).
REUSE = """
import json, os, sys, subprocess, time
from pathlib import Path
from agent.respond import journal, runner
from agent.respond.policy import Policy
from agent.respond.request import Request
from responders.system import Linux

system = Linux()
first = subprocess.Popen(["sleep", "600"])
facts = system.facts(first.pid)
target = {"ns_pid": facts.pid, "start_ns": facts.start_ticks * 10**9 // system.ticks_per_second,
          "exe": facts.exe, "exe_ino": facts.exe_ino}
first.kill(); first.wait()
time.sleep(0.05)
Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
second = subprocess.Popen(["sleep", "600"])
assert second.pid == first.pid, (second.pid, first.pid)
host = runner.Host(system=system, policy=Policy, own=frozenset)
request = Request("key-number-1", "kill_process", {}, target, {})
answer = runner.Runner(journal.Journal(Path(sys.argv[1])), host).run(request)
print(json.dumps({"answer": answer, "alive": second.poll() is None}))
second.kill()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a pid namespace, which needs root")
def test_a_reused_pid_is_refused_and_untouched(tmp_path: Path) -> None:
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", PYTHON, "-c", REUSE, str(tmp_path)]
    run = subprocess.run(argv, capture_output=True, check=True, timeout=30)
    outcome = json.loads(run.stdout)
    assert outcome["answer"]["state"] == "refused"
    assert "is another process by now" in outcome["answer"]["result"]["reason"]
    assert outcome["alive"] is True


class Passing(Linux):
    """A host on which the target dies, and its pid is another's, just after it was held."""

    def __init__(self, victim: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._victim = victim

    def facts(self, pid: int) -> Process | None:
        found = super().facts(pid)
        if pid != self._victim.pid or found is None:
            return found
        self._victim.kill()
        self._victim.wait()
        return replace(found, start_ticks=found.start_ticks + 500)


def test_a_process_that_dies_while_it_is_identified_is_gone_not_refused(
    journal: Journal, victim: subprocess.Popen[bytes]
) -> None:
    process = Linux().facts(victim.pid)
    assert process is not None
    system = Passing(victim)
    target = {"ns_pid": victim.pid, "start_ns": process.start_ticks * 10**9 // system.ticks_per_second}
    runner = Runner(journal, Host(system=system, policy=Policy, own=frozenset))
    answer = runner.run(kill_request(target))
    assert answer["state"] == "done"
    assert answer["result"]["already_gone"] is True


def test_a_process_that_dies_after_it_was_held_gets_no_signal_to_its_successor(
    journal: Journal, victim: subprocess.Popen[bytes]
) -> None:
    class Dying(Linux):
        def hold(self, pid: int) -> Held | None:
            held = super().hold(pid)
            if pid == victim.pid and held is not None:
                os.kill(pid, signal.SIGKILL)
                victim.wait()  # from here on the pid is free for anybody
            return held

    process = Linux().facts(victim.pid)
    assert process is not None
    system = Dying()
    target = {"ns_pid": victim.pid, "start_ns": process.start_ticks * 10**9 // system.ticks_per_second}
    answer = Runner(journal, Host(system=system, policy=Policy, own=frozenset)).run(kill_request(target))
    assert answer["result"]["killed"] == []
    assert answer["result"]["already_gone"] is True
