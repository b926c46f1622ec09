"""An output behind a bounded queue: whoever offers an alert never waits."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from agent.alert import Alert

CAPACITY = 10_000
"""Alerts that may wait for one output where ``outputs_queue.capacity`` does not say."""
_LOG_EVERY_S = 10.0
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where alerts go: called from one thread, may block, may raise OSError."""

    name: str
    """Name in status and messages, such as ``file_output``."""

    def write(self, alert: Alert) -> None:
        """Deliver one alert. Raises OSError if it was not delivered."""

    def reopen(self) -> None:
        """Open again what was opened by name, after log rotation."""

    def close(self) -> None:
        """Let everything go."""


@dataclass(frozen=True)
class Counts:
    """What became of the alerts offered to one output."""

    delivered: int
    dropped: int
    """The queue was full, or the agent ended before their turn."""
    failed: int
    """The output refused them."""
    waiting: int


class Queued:
    """One output with a thread of its own."""

    def __init__(self, sink: Sink, capacity: int = CAPACITY) -> None:
        self.name = sink.name
        self._sink = sink
        self._queue: queue.Queue[Alert | None] = queue.Queue(capacity)
        self._delivered = self._dropped = self._failed = 0
        self._reopen = False
        self._quiet_until = 0.0
        self._thread = threading.Thread(target=self._run, name=sink.name, daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What became of the alerts so far."""
        return Counts(self._delivered, self._dropped, self._failed, self._queue.qsize())

    def offer(self, alert: Alert) -> None:
        """Take ``alert``, or count it as dropped if the queue is full. Never blocks."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self._dropped += 1
            self._complain(f"its queue of {self._queue.maxsize} is full")

    def reopen(self) -> None:
        """Have the output open its files again before the next alert."""
        self._reopen = True

    def close(self, timeout_s: float) -> None:
        """Deliver what waits, for at most ``timeout_s`` seconds; drop and count what is left then."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_s)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            left = self._queue.qsize()
            self._dropped += left
            _log.error("%s: %d alerts were not delivered before the end", self.name, left)

    def _run(self) -> None:
        while (alert := self._queue.get()) is not None:
            self._deliver(alert)
        with contextlib.suppress(OSError):
            self._sink.close()

    def _deliver(self, alert: Alert) -> None:
        try:
            if self._reopen:
                self._reopen = False
                self._sink.reopen()
            self._sink.write(alert)
            self._delivered += 1
        except Exception as error:  # noqa: BLE001 - an output must not end because of one alert
            self._failed += 1
            self._complain(f"{type(error).__name__}: {error}")

    def _complain(self, reason: str) -> None:
        """Log a loss, but not every one of a flood."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _LOG_EVERY_S
            lost = self._dropped + self._failed
            _log.error("%s: alerts are lost (%d so far): %s", self.name, lost, reason)
