"""Live events: records that compute a field when it is first asked for."""

from __future__ import annotations

import os
import time
from typing import Any, Callable

from agent.context.containers import Containers
from agent.context.processes import Processes
from agent.context.users import Users
from agent.event import Event, Subject, Value
from agent.kernel import syscalls
from agent.kernel.record import Record

Compute = Callable[["LiveEvent"], Value]
ComputeKeyed = Callable[["LiveEvent", str], Value]

FIELDS: dict[str, Compute] = {}
"""How to compute a field without argument, by key."""
KEYED: dict[str, ComputeKeyed] = {}
"""How to compute a field with an argument, by the key without it: ``proc.aname`` for ``proc.aname[2]``."""
DOTTED: dict[str, ComputeKeyed] = {}
"""The same where the argument stands behind a dot: ``evt.arg`` for ``evt.arg.flags``."""


def field(*keys: str) -> Callable[[Compute], Compute]:
    """Declare how fields are computed."""

    def declare(function: Compute) -> Compute:
        FIELDS.update(dict.fromkeys(keys, function))
        return function

    return declare


def keyed(*keys: str, dotted: bool = False) -> Callable[[ComputeKeyed], ComputeKeyed]:
    """Declare how fields with an argument are computed."""

    def declare(function: ComputeKeyed) -> ComputeKeyed:
        KEYED.update(dict.fromkeys(keys, function))
        if dotted:
            DOTTED.update(dict.fromkeys(keys, function))
        return function

    return declare


def resolve(key: str) -> Compute | None:
    """Return how to compute the field of this key, or None if live events never have it."""
    plain = FIELDS.get(key)
    if plain is not None:
        return plain
    if key.endswith("]"):
        base, _, argument = key[:-1].partition("[")
        function = KEYED.get(base)
        if function is not None:
            return _bound(function, argument)
    for base, function in DOTTED.items():
        if key.startswith(base + "."):
            return _bound(function, key[len(base) + 1 :])
    return None


def _bound(function: ComputeKeyed, argument: str) -> Compute:
    return lambda event: function(event, argument)


_OF_BOTH_ENDS = frozenset({"fd.ip", "fd.port", "fd.net", "fd.proto"})
"""Fields that look at both ends of a connection: made by the engine of ``fd.cip``, ``fd.sip`` and so on."""


def supports(key: str) -> bool:
    """Whether live events can have a value for this key, or for the keys that the engine makes it of."""
    return key in _OF_BOTH_ENDS or resolve(key) is not None


class LiveEvent(Event):
    """One captured call. Self-contained: nothing is looked up that could have changed since."""

    __slots__ = ("_subject", "call", "record", "source")

    record: Record
    call: syscalls.Call
    """How this event type was captured."""
    source: Source

    def __init__(self, source: Source, record: Record, call: syscalls.Call, number: int) -> None:
        dict.__init__(self)
        self.source = source
        self.record = record
        self.call = call
        self.type = call.name
        self.number = number
        self.time_ns = record.header.ts + source.boot_ns
        self._subject: Subject | None = None

    @property
    def subject(self) -> Subject:  # type: ignore[override]  # made when an alert asks for it
        """Identity of the process that made the call."""
        if self._subject is None:
            self._subject = _subject(self)
        return self._subject

    def __missing__(self, key: str) -> Value:
        source = self.source
        compute = source.computes.get(key)
        if compute is None:
            compute = source.computes[key] = resolve(key) or _nothing
        try:
            value = compute(self)
        except Exception as error:  # noqa: BLE001 - looking a field up never raises; it is counted
            source.failed(key, error)
            value = None
        self[key] = value
        return value


def _nothing(_event: LiveEvent) -> Value:
    return None


def _subject(event: LiveEvent) -> Subject:
    header, identity = event.record.header, event.record.identity
    found: dict[str, Any] = {"pid": header.pid, "tid": header.tid, "start_ns": header.start}
    if header.ns_pid:
        found["ns_pid"] = header.ns_pid
    if event.record.exe is not None:
        found["exe"] = event.record.exe.decode("utf-8", "replace")
    if identity is not None and identity.head.ino:
        found["exe_ino"], found["exe_dev"] = identity.head.ino, user_device(identity.head.dev)
    container = event.source.containers.identify(event.record.cgroups)
    if container:
        found["container_id"] = container.id
    return Subject(found)


def user_device(dev: int) -> int:
    """Return a kernel device number as ``stat`` gives it."""
    return os.makedev(dev >> 20, dev & 0xFFFFF)


_CLOCK_S = 5.0
"""Seconds between looks at the wall clock."""


class Source:
    """What makes events out of records, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.errors = 0
        self.last_error = ""
        self.computes: dict[str, Compute] = {}
        self.boot_ns = _boot_time()
        self._clock_due = time.monotonic() + _CLOCK_S
        self.users = Users()
        self.containers = Containers()
        self.processes = Processes()
        self.first_ns = 0
        calls = syscalls.calls()
        self._calls = {number: calls[name] for name, number in syscalls.type_numbers().items()}

    def event(self, data: bytes) -> LiveEvent | None:
        """Return the event of a record; None, counted, if it is no record."""
        self.count += 1
        try:
            record = Record(data, self.processes.find)
            event = LiveEvent(self, record, self._calls[record.header.type], self.count)
        except Exception as error:  # noqa: BLE001 - a record that cannot be read must not end the loop
            self.failed("record", error)
            return None
        self.first_ns = self.first_ns or event.time_ns
        return event

    def root_of(self, event: LiveEvent) -> str:
        """Return the folder where the process's account files are: of its container, or of the host."""
        header = event.record.header
        if self.containers.identify(event.record.cgroups) is None or not header.ns_pid:
            return "/"
        return f"/proc/{header.ns_pid}/root"

    def failed(self, what: str, error: Exception) -> None:
        """Count a field or record that could not be decoded."""
        self.errors += 1
        self.last_error = f"{what}: {error!r}"

    def refresh_clock(self) -> None:
        """Notice, within seconds, that somebody set the wall clock."""
        now = time.monotonic()
        if now >= self._clock_due:
            self.boot_ns, self._clock_due = _boot_time(), now + _CLOCK_S


def _boot_time() -> int:
    """Wall-clock time of the boot, nanoseconds since 1970."""
    best, result = 1 << 62, 0
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if after - before < best:
            best, result = after - before, wall - (before + after) // 2
    return result


# The modules that declare the fields, after what they need from here.
from agent.kernel import (  # noqa: E402
    fields_args,
    fields_container,
    fields_evt,
    fields_fd,
    fields_proc,
)

__all__ = [
    "FIELDS",
    "LiveEvent",
    "Source",
    "fields_args",
    "fields_container",
    "fields_evt",
    "fields_fd",
    "fields_proc",
    "resolve",
    "supports",
]
