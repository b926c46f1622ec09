"""The catalogue: every field and every event type, with type, origin and description.

``CATALOGUE`` holds Falco's fields (engine 0.63), those of its container plugin, and
tercel's own. The tables are ``fields.json`` and ``events.json`` beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agent.fields.types import Type

NO_ARGUMENT = "none"
"""``proc.name``."""
INDEX = "index"
"""A number in brackets: ``fd.types[0]``."""
ANCESTOR = "ancestor"
"""A number in brackets; without it any ancestor: ``proc.aname``, ``proc.aname[2]``."""
ANCESTOR_KEY = "ancestor_key"
"""A number or any text in brackets; without it any ancestor: ``proc.aenv``, ``proc.aenv[HOME]``."""
TIME = "time"
"""Nanoseconds since 1970 in brackets: ``evt.around[1404996934793590564]``."""
KEY = "key"
"""Any text in brackets: ``proc.env[HOME]``."""
GLOB = "glob"
"""A number or a glob pattern in brackets: ``container.mount[/etc/*]``."""
LABEL = "label"
"""A label in brackets or after a dot: ``container.label[app]``, ``container.label.app``."""
PARAMETER = "parameter"
"""A parameter of the event, by name or number: ``evt.arg.flags``, ``evt.arg[0]``."""
EVENT = "event"
"""The name of an event type after a dot: ``evt.type.is.open``."""
PATH = "path"
"""Nothing, or ``src`` or ``dst`` after a dot: ``evt.abspath.dst``."""
SUBSYSTEM = "subsystem"
"""A cgroup subsystem after a dot: ``thread.cgroup.cpu``."""


class UnknownFieldError(ValueError):
    """There is no such field, or it does not take that argument."""


@dataclass(frozen=True)
class FieldInfo:
    """What is known about a field, apart from any event."""

    name: str
    """Without argument: ``proc.aname``."""
    type: Type
    argument: str = NO_ARGUMENT
    """Kind of argument: one of the constants of this module."""
    argument_required: bool = False
    description: str = ""
    filter_only: bool = False
    """Usable in conditions only; an output has no value for it (``fd.ip``)."""
    no_rhs: bool = False
    """Refused in ``val(…)``."""
    no_transformer: bool = False
    """Refused as the argument of a transformer."""
    deprecated: bool = False
    origin: str = "computed"
    """Where the value comes from on Linux: ``syscall`` (argument or return value), ``task``
    (the kernel's task and what hangs on it), ``fd`` (the open file), ``runtime`` (container
    runtime), ``account`` (user and group databases), ``constant`` or ``computed``."""
    kernel: bool = False
    """Whether a filter in the kernel could compare it exactly."""

    @property
    def is_list(self) -> bool:
        """Whether the field has several values."""
        return self.type.is_list


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter of an event type."""

    name: str
    type: str
    """Upstream's type name: ``FLAGS32``, ``FSPATH``, ``FD`` …"""
    symbols: tuple[str, ...] = ()
    """Names of the flags or enumerators, in upstream's order."""


@dataclass(frozen=True)
class EventInfo:
    """One event type."""

    name: str
    category: str
    """``syscall``, ``tracepoint``, ``meta`` or ``plugin``."""
    params: tuple[ParameterInfo, ...]


@dataclass(frozen=True)
class FieldUse:
    """A field together with its argument, as a condition or an output names it."""

    key: str
    """Canonical key, the one ``Event`` is asked for: ``proc.aname[2]``, ``evt.arg.flags``."""
    type: Type
    info: FieldInfo
    arg: str | None = None


class Catalogue:
    """Fields and event types by name. Rows become objects when they are first asked for."""

    def __init__(self, fields: Mapping[str, Mapping[str, Any]], events: Mapping[str, Any]) -> None:
        self._field_rows = fields
        self._event_rows = events
        self._fields: dict[str, FieldInfo] = {}
        self._events: dict[str, EventInfo] = {}

    def field(self, name: str) -> FieldInfo | None:
        """Return the field of that name without argument (``proc.aname``), or ``None``."""
        info = self._fields.get(name)
        if info is None and (row := self._field_rows.get(name)) is not None:
            info = self._fields[name] = _field(name, row)
        return info

    def fields(self) -> Iterator[FieldInfo]:
        """Every field, in the order of the table."""
        return (info for name in self._field_rows if (info := self.field(name)) is not None)

    def event(self, name: str) -> EventInfo | None:
        """Return the event type of that name (``openat``), or ``None``."""
        info = self._events.get(name)
        if info is None and (row := self._event_rows.get(name)) is not None:
            info = self._events[name] = _event(name, row)
        return info

    @cached_property
    def event_types(self) -> frozenset[str]:
        """Names of all event types, system calls among them."""
        return frozenset(self._event_rows)

    @cached_property
    def syscalls(self) -> frozenset[str]:
        """Names of all event types that are system calls."""
        return frozenset(name for name, row in self._event_rows.items() if row[0] == "syscall")

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Name of each event parameter to its type in the first event type that has it."""
        types: dict[str, str] = {}
        for _, params in self._event_rows.values():
            for name, type_, *_symbols in params:
                types.setdefault(name, type_)
        return types

    def with_fields(self, extra: Iterable[FieldInfo]) -> Catalogue:
        """Return this catalogue with more fields, which take precedence; for tests and rule tests."""
        other = Catalogue(self._field_rows, self._event_rows)
        other._fields.update(self._fields)
        other._fields.update({info.name: info for info in extra})
        return other


def _field(name: str, row: Mapping[str, Any]) -> FieldInfo:
    flags = row.get("flags", ())
    return FieldInfo(
        name=name,
        type=Type.parse(row["type"]),
        argument=row.get("argument", NO_ARGUMENT),
        argument_required="argument_required" in flags,
        description=row["description"],
        filter_only="filter_only" in flags,
        no_rhs="no_rhs" in flags,
        no_transformer="no_transformer" in flags,
        deprecated="deprecated" in flags,
        origin=row["origin"],
        kernel="kernel" in flags,
    )


def _event(name: str, row: Any) -> EventInfo:
    category, params = row
    return EventInfo(name, category, tuple(ParameterInfo(p[0], p[1], tuple(p[2:])) for p in params))


def _read(name: str) -> Any:
    return json.loads((Path(__file__).parent / name).read_bytes())


CATALOGUE = Catalogue(_read("fields.json"), _read("events.json"))
