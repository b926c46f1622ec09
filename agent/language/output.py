"""Output formats: ``Opened (file=%fd.name by %tolower(proc.name))``.

A format is literal text and placeholders. A placeholder is a field or a transformer; ``%10proc.name`` pads
its text with blanks or cuts it to 10 bytes. A field ends where the longest known name ends (``%evt.typeX`` is
``evt.type`` and an ``X``), and there is no way to write ``%`` itself. Falco's ``sinsp_evt_formatter`` is the
authority.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Union

from agent.fields.catalogue import (
    CATALOGUE,
    EVENT,
    NO_ARGUMENT,
    PARAMETER,
    Catalogue,
    FieldInfo,
    UnknownFieldError,
)
from agent.fields.resolve import resolve
from agent.language import typed
from agent.language.check import check
from agent.language.errors import ConditionError

NO_VALUE = b"<NA>"
"""What a missing value prints."""


class OutputError(ValueError):
    """An output format that does not compile."""

    def __init__(self, message: str, pos: int) -> None:
        super().__init__(message)
        self.pos = pos
        """Byte offset in the format of what is wrong."""


@dataclass(frozen=True)
class Placeholder:
    """One ``%…`` of a format."""

    expression: typed.Expression
    text: str
    """Its name in Falco's JSON: ``proc.name``, ``tolower(proc.name)``."""
    width: int = 0
    """Bytes to pad or cut the text to; 0 for as it is."""
    pos: int = field(default=-1, compare=False)


Piece = Union[bytes, Placeholder]


@dataclass(frozen=True)
class Output:
    """A format, parsed and checked."""

    pieces: tuple[Piece, ...]
    lenient: bool = False
    """Whether it began with ``*``: a missing value prints ``<NA>`` instead of ending the output there."""

    @property
    def fields(self) -> tuple[typed.Field, ...]:
        """Every field that the output asks for, in order of appearance, once each."""
        found: dict[str, typed.Field] = {}
        for piece in self.pieces:
            if isinstance(piece, Placeholder):
                for item in typed.fields_of(piece.expression):
                    found.setdefault(item.key, item)
        return tuple(found.values())


TRANSFORMERS = ("tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt")
"""Names that, before an open parenthesis, begin a transformer."""

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+")
_WIDTH = re.compile(rb"[0-9]+")
_TRANSFORMER = re.compile(rb"(?:" + "|".join(TRANSFORMERS).encode() + rb")\(")
_BRACKETS = re.compile(rb"\[(\"[^\"]*\"|'[^']*'|[^]\[\"'\s]+)\]")
_DOTTED = re.compile(rb"\.[A-Za-z0-9_./-]*[A-Za-z0-9_]")
_QUOTED = re.compile(rb"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
MAX_WIDTH = 4096
"""Widest padding, in bytes; Falco has no bound but memory."""


def parse_output(text: bytes, catalogue: Catalogue = CATALOGUE) -> Output:
    """Parse and check an output format. Raises :class:`OutputError`."""
    if not text:
        raise OutputError("empty formatting token", 0)
    start = 1 if text.startswith(b"*") else 0
    pieces: list[Piece] = []
    at = start
    while at < len(text):
        percent = text.find(b"%", at)
        if percent < 0:
            percent = len(text)
        if percent > at:
            pieces.append(text[at:percent])
        if percent == len(text):
            break
        placeholder, at = _placeholder(text, percent, catalogue)
        pieces.append(placeholder)
    return Output(tuple(pieces), lenient=bool(start))


def _placeholder(text: bytes, percent: int, catalogue: Catalogue) -> tuple[Placeholder, int]:
    """Read what follows a ``%``; return it and the offset behind it."""
    at = percent + 1
    if at == len(text):
        raise OutputError("invalid formatting syntax: formatting cannot end with a %", percent)
    width = _WIDTH.match(text, at)
    if width:
        at = width.end()
        if at == len(text):
            raise OutputError("invalid formatting syntax: formatting cannot end with a number", percent)
        if int(width.group()[:9]) > MAX_WIDTH:
            raise OutputError(f"a width of {width.group().decode()} is more than {MAX_WIDTH}", percent)
    expression: typed.Expression
    if _TRANSFORMER.match(text, at):
        expression, end = _transformer(text, at, catalogue)
    else:
        expression, end = _field(text, at, catalogue)
    return Placeholder(expression, written(expression), int(width.group()) if width else 0, percent), end


def _transformer(text: bytes, at: int, catalogue: Catalogue) -> tuple[typed.Expression, int]:
    """Read a transformer, as the condition that it has a value."""
    from agent.language.parser import parse  # lark: memory that an agent without such outputs must not spend

    end = _closing(text, at)
    brackets = _BRACKETS.match(text, end)
    if brackets and text.startswith(b"getopt(", at):
        end = brackets.end()
    try:
        checked = check(parse(text[at:end] + b" exists"), catalogue)
    except ConditionError as error:
        raise OutputError(error.message, at + max(error.pos, 0)) from None
    if not isinstance(checked.condition, typed.Check):
        problem = checked.problems[0]
        raise OutputError(problem.message, at + max(problem.pos, 0))
    return checked.condition.left, end


def _closing(text: bytes, at: int) -> int:
    """Return the offset behind the parenthesis that closes the first one from ``at``."""
    depth, start = 0, at
    while at < len(text):
        quoted = _QUOTED.match(text, at)
        if quoted:
            at = quoted.end()
            continue
        depth += {0x28: 1, 0x29: -1}.get(text[at], 0)
        at += 1
        if depth == 0 and text[at - 1] == 0x29:
            return at
    raise OutputError("the transformer's closing parenthesis is missing", start)


def _field(text: bytes, at: int, catalogue: Catalogue) -> tuple[typed.Field, int]:
    """Read the field with the longest known name, and its argument if it takes one."""
    match = _NAME.match(text, at)
    name = match.group() if match else b""
    for size in range(len(name), 0, -1):
        info = catalogue.field(name[:size].decode())
        if info is not None:
            end = _argument_end(text, at + size, info, catalogue)
            return _resolved(text, at, at + size, end, catalogue), end
    shown = (name or text[at : at + 20]).decode("utf-8", "replace")
    raise OutputError(f"%{shown} is no field", at)


def _argument_end(text: bytes, at: int, info: FieldInfo, catalogue: Catalogue) -> int:
    """Return the offset behind a field's argument; ``at`` if there is none."""
    if info.argument == NO_ARGUMENT:
        return at
    brackets = _BRACKETS.match(text, at)
    if brackets:
        return brackets.end()
    if info.argument == PARAMETER:
        return at + _longest(text[at:], catalogue.parameters)
    if info.argument == EVENT:
        return at + _longest(text[at:], catalogue.event_types)
    dotted = _DOTTED.match(text, at) if info.argument_required else None
    return dotted.end() if dotted else at


def _longest(text: bytes, names: Collection[str]) -> int:
    """Return the length of a dot and the longest of some names that follows it; 0 if there is none."""
    match = _DOTTED.match(text)
    written = match.group()[1:].decode() if match else ""
    sizes = (size for size in range(len(written), 0, -1) if written[:size] in names)
    size = next(sizes, 0)
    return size + 1 if size else 0


def _resolved(text: bytes, start: int, name: int, end: int, catalogue: Catalogue) -> typed.Field:
    """Return the field whose name is ``text[start:name]`` and whose argument follows up to ``end``."""
    argument = text[name:end]
    dotted = argument.startswith(b".")
    whole = text[start : end if dotted else name].decode()
    try:
        use = resolve(catalogue, whole, None if dotted or not argument else _unquoted(argument[1:-1]))
    except UnknownFieldError as error:
        raise OutputError(str(error), start) from None
    return typed.Field(use.key, use.type, use.info, use.arg, start)


def _unquoted(text: bytes) -> bytes:
    return text[1:-1] if text[:1] in (b"'", b'"') else text


def written(expression: typed.Argument) -> str:
    """Return an expression as Falco names it in JSON: arguments joined by commas, nothing quoted."""
    if isinstance(expression, typed.Field):
        return expression.key
    if isinstance(expression, typed.Text):
        return expression.value.decode("utf-8", "replace")
    if isinstance(expression, typed.Texts):
        return "(" + ",".join(written(item) for item in expression.items) + ")"
    index = "" if expression.index is None else f"[{expression.index.decode('utf-8', 'replace')}]"
    return f"{expression.name}({','.join(written(item) for item in expression.args)}){index}"
