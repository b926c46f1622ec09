"""What happens on the demo's hosts: the attack, its innocent namesake, a steady stream of marks."""

from __future__ import annotations

import subprocess

from demo.fleet import Host
from demo.screen import DemoError, Screen

PROGRAM = "/var/tmp/netstatd"
"""The attacker's program: an innocent tool under another name. No rule trusts this path."""
NAME = "netstatd"
SALARIES = "/opt/payroll/salaries.csv"

MARKS = """
import os, sys, time
os.makedirs("/tmp/marks", exist_ok=True)
number, began = 0, time.monotonic()
while not os.path.exists("/tmp/marks-end"):
    os.close(os.open("/tmp/marks/%d" % number, os.O_WRONLY | os.O_CREAT))
    number += 1
    time.sleep(max(0, began + number / float(sys.argv[1]) - time.monotonic()))
print(number)
"""


def run(screen: Screen, host: Host, argv: list[str]) -> None:
    """Show and run a command on a host."""
    screen.command(argv, host.name)
    host.run(argv)


def start_namesake(screen: Screen, host: Host, file: str) -> subprocess.Popen[str]:
    """Start the attacker's program on ``host``: it reads ``file`` and then waits for more of it, for ever."""
    run(screen, host, ["cp", "/usr/bin/tail", PROGRAM])
    argv = [PROGRAM, "-f", file]
    screen.command(argv, host.name, background=True)
    return host.popen(argv)


class Marks:
    """A program on ``host`` that opens a new numbered file ``per_second`` times a second."""

    def __init__(self, host: Host, per_second: int) -> None:
        self._host = host
        argv = ["/usr/bin/python3", "-c", MARKS, str(per_second)]
        self._process = host.popen(argv, stdout=subprocess.PIPE)

    def stop(self) -> int:
        """Stop it; return how many marks it set."""
        self._host.run(["touch", "/tmp/marks-end"])
        output, _ = self._process.communicate(timeout=10)
        if self._process.returncode:
            raise DemoError(f"the marks on {self._host.name} failed: {output}")
        return int(output)
