"""The systemd unit of the agent."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from agent.paths import Paths

NAME = "tercel-agent.service"
FILE = Path("/etc/systemd/system") / NAME

_TEXT = """\
[Unit]
Description=Tercel: runtime security
After=local-fs.target

[Service]
ExecStart={command} run
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
OOMScoreAdjust=-500
LimitNOFILE=65536
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def text(argv: Sequence[str]) -> str:
    """Return the unit's text; ``argv`` is the command without its verb."""
    return _TEXT.format(command=shlex.join(argv))


def usable(paths: Paths) -> bool:
    """Whether systemd is this machine's init and the agent goes to its real places."""
    return str(paths.root) == "/" and booted()


def booted() -> bool:
    """Whether systemd is this machine's init, as sd_booted(3) tells it."""
    return Path("/run/systemd/system").is_dir()


def enable() -> bool:
    """Have the unit started at boot; return whether it was not before."""
    if systemctl("is-enabled", NAME, check=False) == "enabled":
        return False
    systemctl("enable", NAME)
    return True


def systemctl(*arguments: str, check: bool = True) -> str:
    """Call systemctl; return what it prints. Raises OSError if it fails."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False, timeout=150)
    if check and done.returncode != 0:
        raise OSError(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.strip()
