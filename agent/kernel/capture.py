"""Live capture: the seam between the kernel and the rest of the agent."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.kernel import bpf, loader, syscalls
from agent.kernel.errors import CaptureError, KernelError, VerifierError
from agent.kernel.live import Source, supports
from agent.kernel.maps import Maps
from agent.kernel.program import KEEP_ALL, Settings
from agent.kernel.ring import Ring

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.event import Event

__all__ = [
    "Capture",
    "CaptureError",
    "Counters",
    "KernelError",
    "VerifierError",
    "supported_event_types",
    "supports_field",
]

_RING = 8 * 1024 * 1024
_OVERLAP = 0.1
"""Seconds between the phases of a change of programs: far longer than a program runs."""


@dataclass(frozen=True)
class Counters:
    """What was captured since the start."""

    events: int
    drops: dict[str, int]
    """Events lost by reason: ``ring_full`` (read too slowly), ``no_scratch``, ``stage``, ``recursion``
    (the kernel skipped the program). Not lost but incomplete: ``truncated`` (parts left out),
    ``identity_map`` (a process whose exec could not be stored)."""
    decode_errors: int
    """Fields that could not be computed, and records that could not be read."""
    backlog_bytes: int
    """Bytes in the ring that wait to be read."""


def supported_event_types() -> frozenset[str]:
    """Names of all event types that capture can give."""
    return frozenset(syscalls.calls())


def supports_field(key: str) -> bool:
    """Whether live events can have a value for this field key."""
    return supports(key)


class Capture:
    """Captures the system calls of the given event types, from :meth:`start` to :meth:`close`.

    ``own_pid_namespace``: only from processes that the agent's own pid namespace sees.
    ``ring_bytes``: memory between kernel and agent, rounded up to a power of two.
    ``typed``: whether to try the typed tracepoint; without it, or where the kernel refuses it, the plain one.
    ``filter``: C source of ``static bool keep(struct call *c)``, see ``probe/record.c``.
    """

    def __init__(
        self,
        event_types: frozenset[str],
        *,
        own_pid_namespace: bool = False,
        ring_bytes: int = _RING,
        filter: str = KEEP_ALL,  # noqa: A002 - the word of the field
        typed: bool = True,
    ) -> None:
        self._types = _checked(event_types)
        self._own = own_pid_namespace
        self._ring_bytes = max(4096, 1 << (ring_bytes - 1).bit_length())
        self._filter = filter
        self._typed = typed
        self._maps: Maps | None = None
        self._ring: Ring | None = None
        self._base: list[int] = []
        self._generation: loader.Generation | None = None
        self._missed = 0
        self._replacing = threading.Lock()  # programs are asked for their misses, or closed
        self._source = Source()

    def start(self) -> None:
        """Begin to capture. Raises CaptureError, with nothing left attached."""
        _check_root()
        try:
            self._maps = Maps(self._ring_bytes)
            self._ring = Ring(self._maps.fds["events"], self._ring_bytes)
            self._maps.set_control(1, 0)
            generation = loader.load(self._settings(1), self._maps.fds, base=True)
            self._base, generation.links = generation.links[:2], generation.links[2:]
            self._generation = generation
            self._source.processes.scan()
        except BaseException:
            self.close()
            raise

    def _settings(self, number: int) -> Settings:
        pidns = Path("/proc/self/ns/pid").stat().st_ino
        return Settings(self._types, number, pidns, self._own, typed=self._typed, filter=self._filter)

    def _started(self) -> tuple[Maps, Ring, loader.Generation]:
        if self._maps is None or self._ring is None or self._generation is None:
            raise CaptureError("capture is not running: call start()")
        return self._maps, self._ring, self._generation

    @property
    def mode(self) -> str:
        """How the probes run: ``typed tracepoint``, or ``raw tracepoint`` and why."""
        _maps, _ring, generation = self._started()
        if generation.mode == "typed":
            return "typed tracepoint"
        return f"raw tracepoint (typed one refused: {generation.refusal})"

    def fileno(self) -> int:
        """Return the descriptor that epoll finds readable when events wait."""
        return self._started()[0].fds["events"]

    def read(self, handle: Callable[[Event], None], limit: int | None = None) -> int:
        """Call ``handle`` with each event that waits, ``limit`` at most; return their number."""
        source = self._source
        source.refresh_clock()

        def decode(record: bytes) -> None:
            event = source.event(record)
            if event is not None:
                handle(event)

        return self._started()[1].read(decode, limit)

    def reload(self, event_types: frozenset[str], filter: str = KEEP_ALL) -> None:  # noqa: A002
        """Capture other event types, or with another filter, from now on.

        The next programs are attached before the running ones are dropped, and every event is
        emitted by exactly one of them. Takes seconds, since it compiles: call it in a thread of its
        own and go on reading meanwhile, or the ring may fill up. Raises CaptureError; then all is as
        before.
        """
        maps, _ring, old = self._started()
        before = self._types, self._filter
        self._types, self._filter = _checked(event_types), filter
        try:
            new = loader.load(self._settings(old.number + 1), maps.fds, base=False)
        except BaseException:
            self._types, self._filter = before
            raise
        for phase in (1, 2):
            maps.set_control(old.number, phase)
            time.sleep(_OVERLAP)
        with self._replacing:
            self._missed += _misses(old)
            self._generation = new
            old.close()
        maps.set_control(new.number, 0)

    def counters(self) -> Counters:
        """Return what was captured and what was lost so far."""
        with self._replacing:
            maps, ring, generation = self._started()
            drops = maps.drops()
            drops["recursion"] = self._missed + _misses(generation)
        return Counters(self._source.count, drops, self._source.errors, ring.backlog())

    @property
    def last_error(self) -> str:
        """What could not be decoded last, and why; empty if everything could."""
        return self._source.last_error

    def close(self) -> None:
        """Stop. What was captured and not read is gone."""
        if self._generation is not None:
            self._generation.close()
        for fd in self._base:
            os.close(fd)
        if self._ring is not None:
            self._ring.close()
        if self._maps is not None:
            self._maps.close()
        self._generation, self._base, self._ring, self._maps = None, [], None, None


def _misses(generation: loader.Generation) -> int:
    return sum(bpf.program_misses(fd) for fd in generation.entries)


def _checked(event_types: frozenset[str]) -> frozenset[str]:
    unknown = sorted(event_types - supported_event_types())
    if unknown:
        raise CaptureError(f"capture cannot give these event types: {', '.join(unknown)}")
    return frozenset(event_types)


def _check_root() -> None:
    if os.geteuid() != 0:
        raise KernelError("capture needs root: run the agent as root")
    if not Path("/proc/self/ns/pid").exists():
        raise KernelError("/proc is not mounted here: mount -t proc proc /proc")
