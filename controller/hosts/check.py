"""Is a host fit for the agent, and if not, what is missing and how is that put right."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.errors import CommandError

if TYPE_CHECKING:
    from controller.inventory import Host
    from controller.ssh import Session

PYTHON = (3, 9)
"""Oldest Python that the agent runs on."""
KERNEL = (5, 8)
"""Oldest kernel: the first with BPF ring buffers."""
CLOCK_SECONDS = 1.0
"""How far a host's clock may be off before that is a warning: it dates every alert."""

# Takes the number of candidates, the candidates, and the arguments for the first that there is.
_FIND = """\
n=$1; shift; found=
while [ "$n" -gt 0 ]; do
  [ -z "$found" ] && command -v "$1" >/dev/null 2>&1 && found=$1
  shift; n=$((n - 1))
done
[ -n "$found" ] && exec "$found" "$@"
echo tercel-no-python >&2; exit 127
"""
_CANDIDATES = ("/usr/bin/python3", "python3", "/usr/libexec/platform-python")
_PROBE = Path(__file__).with_name("probe.py")
_INSTALL_BCC = {
    "apt-get": "apt-get install python3-bpfcc",
    "dnf": "dnf install python3-bcc",
    "yum": "yum install python3-bcc",
    "zypper": "zypper install python3-bcc",
}


@dataclass(frozen=True)
class Facts:
    """What a host is."""

    kernel: str
    machine: str
    os: str
    python: tuple[int, ...]
    python_path: str
    root: bool
    btf: bool
    bcc: str | None
    """bcc's version; None if it cannot be imported."""
    runtimes: tuple[str, ...]
    systemd: bool
    packages: str | None
    """The package manager."""
    agent: str | None
    """Installed version of the agent."""
    clock_offset: float
    """The host's clock minus ours, in seconds."""
    clock_error: float
    """How far the offset may be off, in seconds."""


@dataclass(frozen=True)
class Fitness:
    """What was found out: ``problems`` keep the agent from running, ``warnings`` do not."""

    facts: Facts
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def check(session: Session) -> Fitness:
    """Look at a host. Raises HostError if it cannot be looked at."""
    facts = gather(session)
    return Fitness(facts, tuple(problems(facts, session.host)), tuple(warnings(facts)))


def gather(session: Session) -> Facts:
    """Collect the facts of a host, in one command. Raises CommandError that names the fix."""
    before = time.time()
    value = run_python(session, _PROBE.read_bytes())
    after = time.time()
    began, ended = value.pop("began"), value.pop("ended")
    offset = ((began - before) + (ended - after)) / 2
    value["python"], value["runtimes"] = tuple(value["python"]), tuple(value["runtimes"])
    return Facts(**value, clock_offset=offset, clock_error=((after - before) - (ended - began)) / 2)


def find_python(host: Host, *arguments: str) -> list[str]:
    """Return the command that runs the host's Python with these arguments."""
    candidates = [host.connection.python] if host.connection.python else list(_CANDIDATES)
    return ["sh", "-c", _FIND, "sh", str(len(candidates)), *candidates, *arguments]


def run_python(session: Session, program: bytes, seconds: float = 60) -> dict[str, Any]:
    """Run a program with the host's Python, as root; return the JSON object that it prints.

    Raises CommandError.
    """
    result = session.run(find_python(session.host, "-I", "-"), program, seconds=seconds)
    if result.code != 0:
        raise CommandError(
            session.host.name, _explain(result.stderr.decode(errors="replace"), session.host, result.code)
        )
    try:
        value = json.loads(result.stdout)
    except ValueError:
        raise CommandError(
            session.host.name,
            f"its login shell prints text of its own ({result.stdout[:60]!r}): "
            "one that is not interactive must be silent",
        ) from None
    return dict(value)


def problems(facts: Facts, host: Host) -> list[str]:
    """Return what keeps the agent from running, each with its fix. Pure."""
    found = []
    if not facts.root:
        found.append(
            f"no root: log in as root, or let {host.connection.user} use sudo (ansible_become: true)"
        )
    if facts.python < PYTHON:
        shown = ".".join(map(str, facts.python))
        found.append(
            f"Python {shown} is too old: install 3.9 or newer and name it in ansible_python_interpreter"
        )
    if _version(facts.kernel) < KERNEL:
        found.append(f"kernel {facts.kernel} is too old: 5.8 or newer is needed")
    if not facts.btf:
        found.append("no BTF (/sys/kernel/btf/vmlinux): boot a kernel built with CONFIG_DEBUG_INFO_BTF=y")
    if facts.bcc is None:
        fix = _INSTALL_BCC.get(facts.packages or "", "install the distribution's bcc for Python 3")
        found.append(f"no bcc for {facts.python_path}: {fix}")
    return found


def warnings(facts: Facts) -> list[str]:
    """Return what does not keep the agent from running and should be known. Pure."""
    if abs(facts.clock_offset) - facts.clock_error > CLOCK_SECONDS:
        return [
            f"its clock is {facts.clock_offset:+.1f} s off: run a time service (chrony, systemd-timesyncd)"
        ]
    return []


def _version(kernel: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)", kernel)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _explain(stderr: str, host: Host, code: int) -> str:
    user = host.connection.user
    if "tercel-no-python" in stderr:
        return "no Python 3 was found: install it, or name it in ansible_python_interpreter"
    if "sudo:" in stderr and "password" in stderr:
        return f"sudo wants a password from {user}: allow it without (NOPASSWD in sudoers), or log in as root"
    if "sudo:" in stderr:
        return f"{user} cannot use sudo: {stderr.strip().splitlines()[-1]}"
    last = stderr.strip().splitlines()
    return f"a command failed with exit code {code}: {last[-1] if last else 'it said nothing'}"
