"""Where things are on a host. ``TERCEL_ROOT`` puts all of them below another folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The places of docs/architecture.md, below ``root``."""

    root: Path

    @classmethod
    def of_environment(cls) -> Paths:
        """Return the places below ``TERCEL_ROOT``, or the real ones if it is not set."""
        return cls(Path(os.environ.get("TERCEL_ROOT") or "/"))

    @property
    def versions(self) -> Path:
        """Folder of installed agent versions."""
        return self.root / "opt/tercel/versions"

    @property
    def installed(self) -> Path:
        """Symlink to the agent version in use."""
        return self.root / "opt/tercel/current"

    @property
    def command(self) -> Path:
        """The command ``tercel-agent``."""
        return self.root / "usr/local/bin/tercel-agent"

    @property
    def etc(self) -> Path:
        """Configuration folder."""
        return self.root / "etc/tercel"

    @property
    def trusted_keys(self) -> Path:
        """The keys whose releases this host takes."""
        return self.etc / "trusted_keys"

    @property
    def counters(self) -> Path:
        """The number of the newest release that each key brought into use."""
        return self.root / "var/lib/tercel/counters"

    @property
    def releases(self) -> Path:
        """Folder of releases."""
        return self.etc / "releases"

    @property
    def current(self) -> Path:
        """Symlink to the release in use."""
        return self.etc / "current"

    @property
    def spool(self) -> Path:
        """Folder of alerts not yet acknowledged."""
        return self.root / "var/lib/tercel/spool"

    @property
    def respond(self) -> Path:
        """Folder of the journal of actions."""
        return self.root / "var/lib/tercel/respond"

    @property
    def run(self) -> Path:
        """Folder of what exists only while the daemon runs."""
        return self.root / "run/tercel"

    @property
    def socket(self) -> Path:
        """Control socket of the running daemon."""
        return self.run / "agent.sock"

    @property
    def pid(self) -> Path:
        """Pid file of the running daemon; the daemon holds a lock on it."""
        return self.run / "agent.pid"

    @property
    def log(self) -> Path:
        """The daemon's own log where there is no systemd."""
        return self.root / "var/log/tercel/agent.log"
