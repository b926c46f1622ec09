"""From an offset in a scalar's value back to the file: which line and column wrote that character.

YAML folds and strips blanks but keeps every other character in order (escapes in double quotes aside), so the
n-th character of a value that is not blank is the n-th such character of its source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from agent.language.nodes import Scalar
from agent.language.source import Place

_BREAK = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\r\n"
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


class SourceText:
    """A file's text, and where its lines begin."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None

    def starts(self) -> list[int]:
        """Offset of each line's first character."""
        if self._starts is None:
            self._starts = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        return self._starts

    def line(self, number: int) -> str:
        """Return the text of a line (from 0) without its break; empty beyond the end."""
        starts = self.starts()
        if not 0 <= number < len(starts):
            return ""
        end = starts[number + 1] if number + 1 < len(starts) else len(self.text)
        return self.text[starts[number] : end].rstrip("\r\n")

    def offset(self, place: Place) -> int:
        """Offset of a place in the text."""
        starts = self.starts()
        return min(starts[min(place.line, len(starts) - 1)] + place.column, len(self.text))

    def place(self, offset: int) -> Place:
        """Place of an offset in the text."""
        starts = self.starts()
        line = bisect_right(starts, offset) - 1
        return Place(line, offset - starts[line])


def place_in_scalar(source: SourceText, scalar: Scalar, index: int) -> Place:
    """Find where character ``index`` of the value stands in the file.

    At the end of the value, or on a blank, it is the place just after the character before.
    """
    value = scalar.value
    wanted = sum(1 for char in value[:index] if char not in _BLANKS)
    here = index < len(value) and value[index] not in _BLANKS
    last = content = _content_start(source.text, scalar)
    for number, (at, length) in enumerate(_characters(source.text, scalar, content)):
        if number == wanted and here:
            return source.place(at)
        last = at + length
        if number + 1 == wanted and not here:
            break
    return source.place(last)


def _content_start(text: str, scalar: Scalar) -> int:
    at = scalar.begin
    while at < scalar.end and text[at] in "!&":
        while at < scalar.end and text[at] not in _BLANKS:
            at += 1
        while at < scalar.end and text[at] in _BLANKS:
            at += 1
    if scalar.style in {"|", ">"}:
        newline = text.find("\n", at, scalar.end)
        return scalar.end if newline < 0 else newline + 1
    return at + 1 if scalar.style in {"'", '"'} else at


def _characters(text: str, scalar: Scalar, start: int) -> Iterator[tuple[int, int]]:
    """Offset and length in the source of every character of the value that is not blank."""
    end = scalar.end - (1 if scalar.style in {"'", '"'} else 0)
    at = start
    while at < end:
        length = _length(text, at, scalar.style)
        if (length > 1 or text[at] not in _BLANKS) and not _escapes_blank(text, at, length):
            yield at, length
        at += length


def _length(text: str, at: int, style: str) -> int:
    if style == "'" and text.startswith("''", at):
        return 2
    if style == '"' and text[at] == "\\":
        return 2 + _ESCAPE_DIGITS.get(text[at + 1 : at + 2], 0)
    return 1


def _escapes_blank(text: str, at: int, length: int) -> bool:
    """Whether this is an escape that stands for a blank, or for nothing."""
    if length == 1 or text[at] != "\\":
        return False
    code = text[at + 1 : at + length]
    if code[0] in _ESCAPE_DIGITS:
        try:
            return chr(int(code[1:], 16)) in _BLANKS
        except (ValueError, OverflowError):
            return False
    return code[0] in " \t\r\nntr"
