"""Asking the running daemon: one JSON line each way over its control socket (root only)."""

from __future__ import annotations

import json
import socket
from typing import Any

from agent.paths import Paths
from agent.wire import Refused


class NoDaemonError(Exception):
    """No daemon answers at the control socket."""


def ask(paths: Paths, request: dict[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
    """Send ``request`` (its verb is ``do``) and return the daemon's answer.

    Raises NoDaemonError if none runs or none answers in time, Refused if the daemon refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(paths.socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = _parse(_line(connection))
    except (OSError, ValueError) as failure:
        raise NoDaemonError(f"no daemon answers at {paths.socket}: {failure}") from None
    if not answer.get("ok"):
        reason = answer.get("error") or {}
        code, text = reason.get("code", "failed"), reason.get("message", "no reason given")
        raise Refused(str(code), str(text), reason.get("details"))
    return answer


def _line(connection: socket.socket) -> bytes:
    parts = bytearray()
    while not parts.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            raise ValueError("it closed the connection without an answer")
        parts += part
    return bytes(parts)


def _parse(line: bytes) -> dict[str, Any]:
    answer = json.loads(line)
    if not isinstance(answer, dict):
        raise ValueError("its answer is no JSON object")  # noqa: TRY004 - bad data, not a bad argument
    return answer
