"""The condition tree: what a Falco condition says, before types are known.

Every node is immutable and compares by meaning: ``pos`` (0-based byte offset in the
condition text) does not take part in equality. Text is ``bytes`` throughout, as in
Falco: conditions, file names and command lines need not be valid UTF-8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

Modifier = str  # "oneof" | "anyof" | "allof"


@dataclass(frozen=True)
class Field:
    """A field reference such as ``proc.aname[2]``.

    ``arg`` is the text between the brackets without quotes; ``None`` if there are no
    brackets, ``b""`` for ``[""]``.
    """

    name: str
    arg: bytes | None = None
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Literal:
    """A constant, unescaped. Numbers are literals too; the field's type decides."""

    value: bytes
    pos: int = field(default=-1, compare=False)
    quoted: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class LiteralList:
    """``(a, b, c)``; may be empty."""

    items: tuple[Literal, ...]
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class ListRef:
    """A bare identifier where a list is expected: the name of a list."""

    name: str
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class ArgumentList:
    """``( … )`` as an argument of a transformer: fields, transformers and literals."""

    items: tuple[Argument, ...]
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Transform:
    """``tolower(proc.name)``, ``getopt(proc.args, "x:")[x]``; ``index`` is the trailing bracket."""

    name: str
    args: tuple[Argument, ...]
    index: bytes | None = None
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class ValueOf:
    """``val(field)``: a field on the right-hand side; ``index`` is a trailing bracket."""

    of: Field
    index: bytes | None = None
    pos: int = field(default=-1, compare=False)


Argument = Union[Field, Transform, Literal, ArgumentList]
Left = Union[Field, Transform]
Right = Union[Literal, LiteralList, ListRef, ValueOf, Transform]


@dataclass(frozen=True)
class Check:
    """One comparison: ``op`` as written (``=`` or ``==``), no ``right`` for ``exists``."""

    left: Left
    op: str
    right: Right | None = None
    modifier: Modifier | None = None
    pos: int = field(default=-1, compare=False)


@dataclass(frozen=True)
class Macro:
    """A reference to a macro by name."""

    name: str
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


Condition = Union[And, Or, Not, Check, Macro]
