"""Verbs about the host itself: hello, status, log."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import agent
from agent import control
from agent.link.session import Handler
from agent.outputs import spool
from agent.paths import Paths
from agent.trust import Trust
from agent.wire import PROTOCOL, Message, Refused

_LOG_BYTES = 256 * 1024


class Host:
    """The verbs that tell what this host is and does."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def handlers(self) -> dict[str, Handler]:
        """Return the verbs."""
        return {"hello": self.hello, "status": self.status, "log": self.log}

    def hello(self, message: Message, _blob: bytes) -> Message:
        """Greet: versions on both sides, and the host's clock."""
        theirs = message.get("protocol")
        if theirs != PROTOCOL:
            raise Refused(
                "wrong_protocol", f"this agent speaks protocol {PROTOCOL}, not {theirs!r}: install anew"
            )
        return {
            "protocol": PROTOCOL,
            "agent_version": agent.__version__,
            "hostname": socket.gethostname(),
            "time_ns": time.time_ns(),
            "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        }

    def status(self, _message: Message, _blob: bytes) -> Message:
        """Tell what is installed, what runs and what waits."""
        try:
            engine = control.ask(self._paths, {"do": "status"}, timeout_s=10).get("engine")
        except control.NoDaemonError:
            engine = None
        return {
            "agent_version": agent.__version__,
            "release": current_release(self._paths),
            "engine": engine,
            "spool": spool.describe(self._paths.spool),
            "trust": Trust(self._paths).describe(),
        }

    def log(self, message: Message, _blob: bytes) -> Message:
        """Return the end of the daemon's own log."""
        lines = message.get("lines", 100)
        if not isinstance(lines, int) or lines < 1:
            raise Refused("bad_request", f"lines must be a number from 1, not {lines!r}")
        try:
            with self._paths.log.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
                text = file.read(_LOG_BYTES)
        except FileNotFoundError:
            raise Refused(
                "no_log", f"there is no {self._paths.log}: see journalctl -u tercel-agent"
            ) from None
        return {"text": "\n".join(text.decode(errors="replace").splitlines()[-lines:])}


def current_release(paths: Paths) -> str | None:
    """Return the id of the release that ``current`` names, ``None`` if there is none."""
    try:
        return paths.current.readlink().name
    except OSError:
        return None
