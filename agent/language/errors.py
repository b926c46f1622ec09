"""What can be wrong with a condition.

ConditionError          a place in the condition, and what is wrong there
├── ConditionSyntaxError    it does not parse
└── ConditionTypeError      it parses, but a field, operator or value is wrong
"""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"[\r\n]")


class ConditionError(ValueError):
    """Something is wrong with a condition. ``str()`` gives the message without the place."""

    def __init__(self, message: str, pos: int) -> None:
        super().__init__(message)
        self.message = message
        self.pos = pos
        """0-based byte offset in the condition text."""


class ConditionSyntaxError(ConditionError):
    """The condition does not parse."""


class ConditionTypeError(ConditionError):
    """A field, an operator or a constant of the condition is wrong."""


def line_and_column(text: bytes, pos: int) -> tuple[int, int]:
    """Return the line and column of byte ``pos``, both from 1.

    As upstream counts: every carriage return and every line feed begins a line, a column is a byte.
    """
    start = 0
    line = 1
    for end in _LINE_END.finditer(text, 0, pos):
        line += 1
        start = end.end()
    return line, pos - start + 1
