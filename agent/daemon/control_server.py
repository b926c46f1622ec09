"""The control socket: one JSON line in, one out, each connection in a thread of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.wire import Refused

Answer = dict[str, Any]
Verb = Callable[[dict[str, Any]], Answer]

_LONGEST = 64 * 1024
_IDLE_S = 10.0
_log = logging.getLogger(__name__)


class ControlServer:
    """Answers at a unix socket that only root can open. A socket that a dead daemon left is replaced."""

    def __init__(self, path: Path, verbs: Mapping[str, Verb]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path, self._verbs = path, verbs
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(before)
        self._socket.listen(16)
        threading.Thread(target=self._accept, name="control", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the daemon ends
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(_IDLE_S)
            line = _line(connection)
            if line:
                connection.sendall(json.dumps(self._answer(line)).encode() + b"\n")

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            verb = self._verbs.get(str(request["do"]), _unknown)
            return {"ok": True, **verb(request)}
        except Refused as refusal:
            return _refusal(refusal.code, str(refusal), refusal.details)
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("a request on the control socket makes no sense: %r", error)
            return _refusal("bad_request", repr(error), None)
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            _log.error("a request on the control socket failed", exc_info=True)
            return _refusal("failed", f"{type(error).__name__}: {error}", None)


def _line(connection: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\n") and len(data) < _LONGEST:
        part = connection.recv(4096)
        if not part:
            break
        data += part
    return bytes(data)


def _unknown(request: dict[str, Any]) -> Answer:
    raise Refused("unknown_verb", f"the daemon does not know {request['do']!r}")


def _refusal(code: str, message: str, details: object) -> Answer:
    return {"ok": False, "error": {"code": code, "message": message, "details": details}}
