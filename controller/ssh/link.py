"""The controller's end of the link: requests, answers and pushes over one channel."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from agent.wire import PROTOCOL, Decoder, Message, WireError, encode
from controller.errors import HostError, LinkError, RefusedError
from controller.text import printable

if TYPE_CHECKING:
    from controller.ssh.session import Session

AGENT = ("/usr/local/bin/tercel-agent", "link")
"""The command that is the host's end."""
REQUEST_SECONDS = 60.0
"""How long an answer may take, unless the caller knows better."""

Answer = tuple[Message, bytes]
"""A message and its blob."""


class Channel(Protocol):
    """What the link needs of a channel: paramiko's has it."""

    def sendall(self, data: bytes, /) -> None:
        """Send everything or raise OSError."""

    def recv(self, size: int, /) -> bytes:
        """Return some bytes, none at the end."""

    def recv_stderr(self, size: int, /) -> bytes:
        """Return some bytes of standard error, none at the end."""

    def close(self) -> None:
        """End the channel."""


def _check_protocol(host: str, hello: Message) -> None:
    if hello.get("protocol") != PROTOCOL:
        raise LinkError(
            host, f"its agent speaks protocol {hello.get('protocol')!r}: run `tercel host install`"
        )


def _ignore(_message: Message, _blob: bytes) -> None:
    """Take a push that nobody asked for."""


def _nothing() -> None:
    """Hear of the end and do nothing about it."""


class Link:
    """A conversation with the agent of one host. Safe to use from several threads.

    ``on_push`` gets every push, in order, and must be quick: answers wait behind it. ``on_end`` is called
    once, when the link is over.
    """

    def __init__(
        self,
        host: str,
        channel: Channel,
        on_push: Callable[[Message, bytes], None] = _ignore,
        on_end: Callable[[], None] = _nothing,
    ) -> None:
        self.host = host
        self._channel = channel
        self._on_push, self._on_end = on_push, on_end
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[Answer]] = {}
        self._state = threading.Lock()
        self._sending = threading.Lock()
        self._error: HostError | None = None
        self._reader = threading.Thread(target=self._read, name=f"link {host}", daemon=True)
        self._reader.start()

    @classmethod
    def open(
        cls,
        session: Session,
        on_push: Callable[[Message, bytes], None] = _ignore,
        on_end: Callable[[], None] = _nothing,
    ) -> tuple[Link, Message]:
        """Start the agent's link and greet it. Return the link and the agent's ``hello``.

        Raises LinkError, RefusedError, UnreachableError.
        """
        link = cls(session.host.name, session.open(AGENT), on_push, on_end)
        try:
            hello, _ = link.call("hello", controller=version("tercel"), protocol=PROTOCOL)
            _check_protocol(session.host.name, hello)
        except BaseException:
            link.close()
            raise
        return link, hello

    @property
    def error(self) -> HostError | None:
        """Why the link is over; None while it stands."""
        return self._error

    def request(self, do: str, blob: bytes = b"", **fields: Any) -> Future[Answer]:
        """Send a request. The future gives the answer, or raises RefusedError or LinkError."""
        future: Future[Answer] = Future()
        with self._state:
            if self._error is not None:
                raise self._error
            number = next(self._numbers)
            self._pending[number] = future
        frame = encode({"id": number, "do": do, **fields}, blob)
        try:
            with self._sending:
                self._channel.sendall(frame)
        except (OSError, EOFError) as error:
            self._end(LinkError(self.host, f"the link broke while sending: {error}"))
        return future

    def call(self, do: str, blob: bytes = b"", *, seconds: float = REQUEST_SECONDS, **fields: Any) -> Answer:
        """Send a request and wait for its answer. Raises RefusedError, LinkError."""
        try:
            return self.request(do, blob, **fields).result(seconds)
        except TimeoutError:
            raise LinkError(self.host, f"its agent did not answer {do} within {seconds:g} s") from None

    def close(self) -> None:
        """End the link; what is pending fails."""
        self.fail(LinkError(self.host, "the link was closed"))

    def fail(self, error: HostError) -> None:
        """End the link because of ``error``."""
        self._end(error)

    def _read(self) -> None:
        decoder = Decoder()
        try:
            while data := self._channel.recv(65536):
                for message, blob in decoder.feed(data):
                    self._take(message, blob)
        except WireError as error:
            self._end(LinkError(self.host, f"its agent's answer cannot be read: {error}{self._last_words()}"))
        except (OSError, EOFError) as error:
            self._end(LinkError(self.host, f"the link broke: {error}"))
        else:
            self._end(LinkError(self.host, f"its agent ended the link{self._last_words()}"))

    def _take(self, message: Message, blob: bytes) -> None:
        if "push" in message:
            self._on_push(message, blob)
            return
        with self._state:
            future = self._pending.pop(message["re"], None) if isinstance(message.get("re"), int) else None
        if future is None:
            return  # an answer that nobody waits for any more
        if message.get("ok"):
            future.set_result((message, blob))
        else:
            future.set_exception(self._refusal(message.get("error")))

    def _refusal(self, error: Any) -> RefusedError:
        if not isinstance(error, dict):
            return RefusedError(self.host, "unknown", "its agent refused without saying why")
        return RefusedError(
            self.host, str(error.get("code")), str(error.get("message")), error.get("details")
        )

    def _last_words(self) -> str:
        """Return what the command said on standard error, as the end of a sentence."""
        try:
            text = self._channel.recv_stderr(4096).decode(errors="replace").strip()
        except (OSError, EOFError):
            text = ""
        return f": {printable(text.splitlines()[-1])}" if text else ""

    def _end(self, error: HostError) -> None:
        with self._state:
            if self._error is not None:
                return
            self._error = error
            pending, self._pending = self._pending, {}
        with suppress(OSError, EOFError):  # the connection is gone already
            self._channel.close()
        for future in pending.values():
            future.set_exception(error)
        self._on_end()
