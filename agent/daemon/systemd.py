"""systemd, where it runs: the unit that the installer puts there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agent.daemon.terminal import complain, say

UNIT = "tercel-agent.service"
_UNIT_FILE = Path("/etc/systemd/system") / UNIT


def runs() -> bool:
    """Whether systemd is this machine's init."""
    return Path("/run/systemd/system").is_dir()


def has_unit() -> bool:
    """Whether systemd runs and knows the agent's unit."""
    return runs() and _UNIT_FILE.exists()


def manages(pid: int) -> bool:
    """Whether the daemon ``pid`` is the unit's main process."""
    if not has_unit():
        return False
    shown = _systemctl("show", "--property=MainPID", "--value", UNIT)
    return shown.stdout.strip() == str(pid)


def start() -> int:
    """Start the unit; return the exit code."""
    return _do("start")


def stop() -> int:
    """Stop the unit; return the exit code."""
    return _do("stop")


def _do(verb: str) -> int:
    done = _systemctl(verb, UNIT)
    if done.returncode != 0:
        return complain(f"systemctl {verb} {UNIT} failed: {done.stderr.strip()}; see journalctl -u {UNIT}")
    say(f"systemctl {verb} {UNIT}: done")
    return 0


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=120)
