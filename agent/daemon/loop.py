"""The one loop: events, signals, and work that other threads hand over. Nothing in it waits."""

from __future__ import annotations

import collections
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")
_TICK_S = 1.0


class Loop:
    """Calls back from one thread: when a descriptor is readable, on signals, every second, and on request."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], Any]] = {}
        self._signals: dict[int, Callable[[], None]] = {}
        self._posted: collections.deque[Callable[[], None]] = collections.deque()
        self._wake_in, self._wake_out = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._wake_in, select.EPOLLIN)
        self._stopping = False

    def add(self, fd: int, readable: Callable[[], Any]) -> None:
        """Call ``readable`` whenever ``fd`` is readable. Only from the loop's thread."""
        self._readers[fd] = readable
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Forget ``fd``. Only from the loop's thread."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def on_signal(self, number: int, handler: Callable[[], None]) -> None:
        """Call ``handler`` in the loop after a signal. Only from the main thread."""
        signal.signal(number, lambda *_: self._post(handler))
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)

    def _post(self, work: Callable[[], None]) -> None:
        self._posted.append(work)

    def call(self, work: Callable[[], _T]) -> Future[_T]:
        """Have the loop call ``work`` soon; the future holds what it returns. From any thread."""
        future: Future[_T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whoever asked gets it
                future.set_exception(error)

        self._post(run)
        with contextlib.suppress(BlockingIOError):  # full of wake-ups already: the loop will look
            os.write(self._wake_out, b"\0")
        return future

    def stop(self) -> None:
        """Leave :meth:`run` soon."""
        self._stopping = True

    def run(self) -> None:
        """Run until stopped."""
        next_tick = time.monotonic() + _TICK_S
        while not self._stopping:
            for fd, _ in self._epoll.poll(max(0.0, next_tick - time.monotonic())):
                if fd == self._wake_in:
                    os.read(self._wake_in, 4096)
                elif fd in self._readers:
                    self._readers[fd]()
            while self._posted:
                self._posted.popleft()()
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + _TICK_S
                self._tick()
