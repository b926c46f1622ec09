"""The other end of a link, in memory: an agent that answers as a test wants it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from agent.wire import PROTOCOL, Decoder, Message, encode

Handler = Callable[[Message, bytes], "Message | None"]
"""Takes a request and its blob; returns the answer's fields, or None for no answer now."""


class Channel:
    """What a Link needs, over a socket."""

    def __init__(self, sock: socket.socket, stderr: bytes = b"") -> None:
        self._socket = sock
        self._stderr = stderr

    def sendall(self, data: bytes) -> None:
        self._socket.sendall(data)

    def recv(self, size: int) -> bytes:
        return self._socket.recv(size)

    def recv_stderr(self, _size: int) -> bytes:
        said, self._stderr = self._stderr, b""
        return said

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Peer:
    """Serves requests by verb; ``requests`` remembers them."""

    def __init__(self, stderr: bytes = b"", **handlers: Handler) -> None:
        mine, theirs = socket.socketpair()
        self.channel = Channel(theirs, stderr)
        self.requests: list[Message] = []
        self._socket = mine
        self._handlers: dict[str, Handler] = {"hello": lambda _m, _b: {"protocol": PROTOCOL}, **handlers}
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, message: Message, blob: bytes = b"") -> None:
        self._socket.sendall(encode(message, blob))

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        decoder = Decoder()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                for message, blob in decoder.feed(data):
                    self.requests.append(message)
                    self._answer(message, blob)

    def _answer(self, message: Message, blob: bytes) -> None:
        handler = self._handlers.get(message["do"])
        if handler is None:
            error: Any = {"code": "unknown_verb", "message": f"no {message['do']}"}
            self.send({"re": message["id"], "ok": False, "error": error})
        elif (fields := handler(message, blob)) is not None:
            self.send({"re": message["id"], "ok": True, **fields})
