"""How long a response takes on the host, beside the least that it could take.

    python bench/response.py [NUMBER]

In one run, for so many victims each: the signal alone (``kill`` and the wait for the end), and the same
through the runner: held by pidfd, identified, checked against the protected processes, journalled on
disk before and after. The journal lies in the folder for temporary files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.request import Request
from agent.respond.runner import Host, Runner
from responders.system import Linux


def main() -> None:
    """Measure and print."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        system = Linux()
        host = Host(system=system, policy=lambda: Policy(actions=10**9), own=frozenset)
        runner = Runner(Journal(Path(folder)), host)
        # Alternating, so that both see the same machine.
        plain, whole = [], []
        for each in range(number):
            plain.append(_plain())
            whole.append(_whole(runner, system, f"bench-key-{each}"))
    print(f"{number} victims each, {len(system.parents())} processes on this host")
    for name, times in (("signal alone", plain), ("through the runner", whole)):
        times.sort()
        print(f"{name:20} p50 {times[number // 2]:6.2f} ms   p99 {times[number * 99 // 100]:6.2f} ms")
    print(f"ratio of the medians {whole[number // 2] / plain[number // 2]:.1f}")


def _plain() -> float:
    victim = subprocess.Popen(["sleep", "600"])
    began = time.perf_counter_ns()
    victim.kill()
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    took = time.perf_counter_ns() - began
    victim.wait()
    return took / 1e6


def _whole(runner: Runner, system: Linux, key: str) -> float:
    victim = subprocess.Popen(["sleep", "600"])
    facts = system.facts(victim.pid)
    assert facts is not None
    target = {"ns_pid": facts.pid, "start_ns": facts.start_ticks * 10**9 // system.ticks_per_second}
    began = time.perf_counter_ns()
    answer = runner.run(Request(key, "kill_process", {}, target, {}))
    took = time.perf_counter_ns() - began
    victim.wait()
    assert answer["state"] == "done", answer
    return took / 1e6


main()
