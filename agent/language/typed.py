"""The typed condition tree: what the compiler consumes.

Macros are gone, every field exists, operators suit their types, and constants are
values of the field's type (``agent/event.py`` says how each looks in Python), except:

- ``bcontains`` and ``bstartswith``: the bytes that the hex digits name;
- ``regex``: the pattern as written, ``bytes``, already checked (``agent.language.patterns.regex``);
- ``glob``, ``iglob``, ``pmatch``: the patterns as written, ``bytes``;
- ``DOUBLE``: ``float``.

``pos`` is the byte offset in the condition text and takes no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

from agent.fields.catalogue import FieldInfo
from agent.fields.types import TEXT, TEXTS, Type

Constant = Any
"""``bytes``, ``int``, ``float``, ``bool`` or, for a network, ``(bytes, prefix length)``."""


@dataclass(frozen=True)
class Field:
    """A field. ``key`` is what ``Event`` is asked for: ``proc.aname[2]``, ``evt.arg.flags``."""

    key: str
    type: Type
    info: FieldInfo
    arg: str | None = None
    """The argument, from brackets or after the dot: ``2``, ``flags``; ``None`` if there is none."""
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Text:
    """A constant argument of a transformer, such as the separator of ``join``."""

    value: bytes
    type: Type = TEXT
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Texts:
    """A list written as an argument of a transformer: ``join(",", (proc.name, "x"))``.

    It has a value only if all of its items have one.
    """

    items: tuple[Argument, ...]
    type: Type = TEXTS
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Transform:
    """``tolower(proc.name)``. ``index`` is the ``[x]`` of ``getopt(...)[x]``."""

    name: str
    args: tuple[Argument, ...]
    type: Type
    index: bytes | None = None
    pos: int = field(default=-1, compare=False)


Argument = Union[Field, Transform, Text, Texts]
Expression = Union[Field, Transform]


@dataclass(frozen=True)
class Check:
    """One comparison.

    ``op`` is canonical (``=``, never ``==``). Exactly one of these holds:

    - ``exists``: no ``value``, ``values`` or ``expression``;
    - a single constant: ``value``;
    - ``in``, ``intersects``, ``pmatch`` with constants, or a modifier: ``values``, in the order written;
    - another field or a transformer on the right: ``expression``, of the same type as ``left``.
    """

    left: Expression
    op: str
    value: Constant = None
    values: tuple[Constant, ...] | None = None
    expression: Expression | None = None
    modifier: str | None = None
    """``oneof``, ``anyof``, ``allof`` or ``None``."""
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Not:
    """Negation."""

    item: Condition
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class And:
    """Conjunction of two or more conditions, evaluated left to right."""

    items: tuple[Condition, ...]
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Or:
    """Disjunction of two or more conditions, evaluated left to right."""

    items: tuple[Condition, ...]
    pos: int = field(default=-1, compare=False)


Condition = Union[And, Or, Not, Check]


def fields_of(expression: Argument) -> list[Field]:
    """Return the fields inside an expression, from left to right."""
    found: list[Field] = []
    waiting: list[Argument] = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Field):
            found.append(part)
        elif isinstance(part, Transform):
            waiting.extend(reversed(part.args))
        elif isinstance(part, Texts):
            waiting.extend(reversed(part.items))
    return found
