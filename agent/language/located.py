"""Where in which file a byte of a condition was written: through list expansion, appends and exceptions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.language.conditions import character_offset, encode
from agent.language.errors import line_and_column
from agent.language.items import Piece
from agent.language.lists import Expansion
from agent.language.scalars import place_in_scalar
from agent.language.sink import Context, ExpressionContext, Spot
from agent.language.source import Place, Span

_WORD = re.compile(r"""[^()"'\s=,]+""")


@dataclass(frozen=True)
class ConditionText:
    """A condition as it was put together, and after lists are expanded."""

    pieces: list[Piece]
    glue: str
    """What stands between pieces: a blank, or nothing where exceptions are appended."""
    written: str
    expansion: Expansion

    @property
    def text(self) -> str:
        """The text that is parsed."""
        return self.expansion.text

    def spot(self, offset: int) -> Spot | None:
        """Find the word at byte ``offset`` of the expanded text: where it was written.

        ``None`` if no piece comes from a file.
        """
        here = character_offset(self.text, offset)
        at = self.expansion.original(here)
        start = self._place(at)
        if start is None:
            return None
        word = _WORD.match(self.written, at)
        end = self._place(word.end()) if word else None
        if end is None or end[0].source is not start[0].source or end[1].line != start[1].line:
            end = start
        return Spot(start[0].source, Span(start[1], max(start[1], end[1])))

    def _place(self, at: int) -> tuple[Context, Place] | None:
        fallback: tuple[Context, Place] | None = None
        for piece in self.pieces:
            size = len(piece.text)
            if at <= size and piece.origin is not None:
                return piece.context, place_in_scalar(
                    piece.context.source, piece.origin, max(at + _shift(piece.text, piece.origin.value), 0)
                )
            if at < size:  # glue between values: the value before it is as near as it gets
                return fallback or (piece.context, piece.context.place)
            if piece.origin is not None:
                fallback = piece.context, place_in_scalar(piece.context.source, piece.origin, size)
            at -= size + len(self.glue)
        return fallback

    def context(self, parent: Context, offset: int, expression: str) -> ExpressionContext:
        """Return Falco's context of byte ``offset``; it shows ``expression``."""
        line, column = line_and_column(encode(self.text), offset)
        return ExpressionContext(parent, expression, character_offset(self.text, offset), line, column)


def _shift(text: str, value: str) -> int:
    """Return by how much a piece's characters stand further back in its scalar: trimmed, or put in quotes."""
    found = value.find(text)
    return found if found >= 0 else -1
