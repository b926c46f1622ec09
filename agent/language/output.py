"""Output formats: ``Opened (file=%fd.name by %tolower(proc.name))``.

A format is literal text and placeholders. A placeholder is a field or a transformer; ``%10proc.name`` pads
its text with blanks or cuts it to 10 bytes. A field ends where the longest known name ends (``%evt.typeX`` is
``evt.type`` and an ``X``), and there is no way to write ``%`` itself. Falco's ``sinsp_evt_formatter`` is the
authority.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from agent.language import typed

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
                for item in fields_of(piece.expression):
                    found.setdefault(item.key, item)
        return tuple(found.values())


def fields_of(expression: typed.Argument) -> list[typed.Field]:
    """Return the fields inside an expression, from left to right."""
    found: list[typed.Field] = []
    waiting: list[typed.Argument] = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, typed.Field):
            found.append(part)
        elif isinstance(part, typed.Transform):
            waiting.extend(reversed(part.args))
        elif isinstance(part, typed.Texts):
            waiting.extend(reversed(part.items))
    return found
