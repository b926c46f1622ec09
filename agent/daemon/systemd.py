"""The daemon as a unit of systemd, where the installer put it."""

from __future__ import annotations

from agent.daemon.terminal import complain, say
from agent.install import unit


def has_unit() -> bool:
    """Whether systemd runs and knows the agent's unit."""
    return unit.booted() and unit.FILE.exists()


def manages(pid: int) -> bool:
    """Whether the daemon ``pid`` is the unit's main process."""
    return has_unit() and unit.systemctl("show", "--property=MainPID", "--value", unit.NAME) == str(pid)


def start() -> int:
    """Start the unit; return the exit code."""
    return _do("start")


def stop() -> int:
    """Stop the unit; return the exit code."""
    return _do("stop")


def _do(verb: str) -> int:
    try:
        unit.systemctl(verb, unit.NAME)
    except OSError as error:
        return complain(f"{error}; see journalctl -u {unit.NAME}")
    say(f"systemctl {verb} {unit.NAME}: done")
    return 0
