"""One connection: frames in, each request in a thread of its own, frames out."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from agent.wire import Decoder, Message, Refused, WireError, encode

Handler = Callable[[Message, bytes], Message]
"""Answers one request: takes the message and its blob, returns the answer's own keys.

It runs in a thread and may take its time. It raises :class:`agent.wire.Refused` to say no.
"""

_THREADS = 16
_log = logging.getLogger(__name__)


class Session:
    """Speaks the protocol on two descriptors until the peer closes its end."""

    def __init__(self, in_fd: int, out_fd: int) -> None:
        self._in, self._out = in_fd, out_fd
        self._sending = threading.Lock()
        self.over = threading.Event()
        """Set as soon as the peer has gone."""

    def run(self, handlers: Mapping[str, Handler]) -> None:
        """Answer requests until end of file; then let running requests end. Raises WireError."""
        decoder = Decoder()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="link") as pool:
            try:
                while data := os.read(self._in, 1 << 18):
                    for message, blob in decoder.feed(data):
                        pool.submit(self._answer, handlers, message, blob)
            finally:
                self.over.set()

    def _answer(self, handlers: Mapping[str, Handler], message: Message, blob: bytes) -> None:
        verb, number = message.get("do"), message.get("id")
        try:
            handler = handlers.get(str(verb), _unknown)
            answer = {"re": number, "ok": True, **handler(message, blob)}
        except Refused as refusal:
            answer = _refusal(number, refusal.code, str(refusal), refusal.details)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the peer's answer, not our end
            _log.error("%s failed", verb, exc_info=True)
            answer = _refusal(number, "failed", f"{type(error).__name__}: {error}", None)
        with contextlib.suppress(OSError):  # the peer has gone: its next connection asks again
            self.send(answer)

    def send(self, message: Message, blob: bytes = b"") -> None:
        """Send one frame, whole. Raises OSError if the peer has gone."""
        try:
            frame = encode(message, blob)
        except WireError as error:
            frame = encode(_refusal(message.get("re"), "too_large", str(error), None))
        view = memoryview(frame)
        with self._sending:
            while view:
                view = view[os.write(self._out, view) :]


def _unknown(message: Message, _blob: bytes) -> Message:
    raise Refused("unknown_verb", f"this agent does not know the verb {message.get('do')!r}")


def _refusal(number: object, code: str, text: str, details: object) -> Message:
    return {"re": number, "ok": False, "error": {"code": code, "message": text, "details": details}}
