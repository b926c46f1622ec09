r"""The syntax of ``regex``: RE2's POSIX mode, as a tree.

RE2's parser is the authority (without its flags PerlX, PerlClasses, PerlB, UnicodeGroups and OneLine): ``^``
and ``$`` are line anchors, negated classes take a newline, ``.`` does not, repetition stops at 1000, and
there is no ``(?`` and no ``\d``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from agent.language.patterns.classes import ASCII_CLASSES

MAX_REPEAT = 1000
"""Largest repetition count, and largest product of nested ones."""
MAX_DEPTH = 1000
"""Deepest nesting of groups (RE2's own limit)."""
MAX_RUNE = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Code points as sorted inclusive ranges that do not touch."""


class RegexError(ValueError):
    """A pattern that RE2 refuses; the text is RE2's."""


@dataclass(frozen=True)
class Chars:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Line:
    """An empty match at the ``begin`` or ``end`` of a line."""

    where: str


@dataclass(frozen=True)
class Row:
    """One after the other; empty matches the empty text."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    """One of several."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """``low`` to ``high`` times; no limit if ``high`` is ``None``."""

    item: Node
    low: int
    high: int | None


Node = Union[Chars, Line, Row, Either, Repeat]

_NOT_NEWLINE: Ranges = ((0, 9), (11, MAX_RUNE))
_ESCAPES = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_OCTAL = "01234567"
_HEX = "0123456789abcdefABCDEF"


def parse_regex(pattern: bytes) -> Node:
    """Parse a pattern; :class:`RegexError` says what RE2 would."""
    try:
        text = pattern.decode("utf-8")
    except UnicodeDecodeError:
        raise RegexError("invalid UTF-8") from None
    tree = _Parser(text).parse()
    _check_repeats(tree)
    return tree


def join_ranges(ranges: list[tuple[int, int]]) -> Ranges:
    """Sort ranges and join those that touch."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """Return every other code point."""
    gaps, start = [], 0
    for low, high in ranges:
        if low > start:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= MAX_RUNE:
        gaps.append((start, MAX_RUNE))
    return tuple(gaps)


class _Group:
    """An open parenthesis: finished alternatives and the row being read."""

    def __init__(self) -> None:
        self.alternatives: list[Node] = []
        self.row: list[Node] = []

    def next_alternative(self) -> None:
        self.alternatives.append(_row(self.row))
        self.row = []

    def close(self) -> Node:
        self.next_alternative()
        return self.alternatives[0] if len(self.alternatives) == 1 else Either(tuple(self.alternatives))


def _row(items: list[Node]) -> Node:
    return items[0] if len(items) == 1 else Row(tuple(items))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._groups = [_Group()]

    def parse(self) -> Node:
        while self._at < len(self._text):
            self._step()
        if len(self._groups) > 1:
            raise RegexError(f"missing ): {self._text}")
        return self._groups[0].close()

    def _step(self) -> None:
        char = self._text[self._at]
        if char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "|":
            self._groups[-1].next_alternative()
            self._at += 1
        elif char in "*+?":
            self._at += 1
            self._repeat(*{"*": (0, None), "+": (1, None), "?": (0, 1)}[char], char)
        elif char == "{":
            self._counted()
        else:
            self._groups[-1].row.append(self._single(char))

    def _open(self) -> None:
        if len(self._groups) > MAX_DEPTH:
            raise RegexError("expression nests too deeply")
        self._groups.append(_Group())
        self._at += 1

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise RegexError(f"unexpected ): {self._text}")
        closed = self._groups.pop().close()
        # A group is one item, even where it holds a row: wrap it so that a repetition takes all of it.
        self._groups[-1].row.append(closed)
        self._at += 1

    def _repeat(self, low: int, high: int | None, written: str) -> None:
        row = self._groups[-1].row
        if not row:
            raise RegexError(f"no argument for repetition operator: {written}")
        row.append(Repeat(row.pop(), low, high))

    def _counted(self) -> None:
        bounds = self._bounds()
        if bounds is None:  # RE2 takes a brace that begins no repetition as itself
            self._groups[-1].row.append(_char("{"))
            self._at += 1
            return
        low, high, end = bounds
        written = self._text[self._at : end]
        if low > MAX_REPEAT or (high is not None and (high > MAX_REPEAT or high < low)):
            raise RegexError(f"invalid repetition size: {written}")
        self._at = end
        self._repeat(low, high, written)

    def _bounds(self) -> tuple[int, int | None, int] | None:
        low, at = self._integer(self._at + 1)
        if low is None or at >= len(self._text):
            return None
        high: int | None = low
        if self._text[at] == ",":
            at += 1
            if self._text[at : at + 1] == "}":
                high = None
            else:
                high, at = self._integer(at)
                if high is None:
                    return None
        return (low, high, at + 1) if self._text[at : at + 1] == "}" else None

    def _integer(self, at: int) -> tuple[int | None, int]:
        end = at
        while end < len(self._text) and self._text[end] in "0123456789":
            end += 1
        digits = self._text[at:end]
        if not digits or (len(digits) > 1 and digits[0] == "0"):
            return None, at
        return int(digits), end

    def _single(self, char: str) -> Node:
        if char == "[":
            return Chars(self._set())
        if char == "\\":
            code = self._escape()
            return Chars(((code, code),))
        self._at += 1
        if char == ".":
            return Chars(_NOT_NEWLINE)
        if char in "^$":
            return Line("begin" if char == "^" else "end")
        return _char(char)

    def _escape(self) -> int:
        """Read an escape at the cursor."""
        start = self._at
        self._at += 1
        if self._at >= len(self._text):
            raise RegexError("trailing \\")
        char = self._text[self._at]
        self._at += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        if char == "x":
            return self._hex(start)
        if char in _OCTAL:
            return self._octal(char, start)
        if ord(char) < 128 and not char.isalnum():
            return ord(char)
        raise self._bad_escape(start)

    def _octal(self, char: str, start: int) -> int:
        following = self._text[self._at : self._at + 1]
        if char != "0" and (not following or following not in _OCTAL):
            raise self._bad_escape(start)  # it would be a back-reference
        digits = char
        while len(digits) < 3 and self._text[self._at : self._at + 1] and self._text[self._at] in _OCTAL:
            digits += self._text[self._at]
            self._at += 1
        return int(digits, 8)

    def _hex(self, start: int) -> int:
        if self._text[self._at : self._at + 1] == "{":
            end = self._text.find("}", self._at)
            digits = self._text[self._at + 1 : end]
            self._at = end + 1 if end >= 0 else len(self._text)
            hexadecimal = digits and all(digit in _HEX for digit in digits)
            if end < 0 or not hexadecimal or int(digits, 16) > MAX_RUNE:
                raise self._bad_escape(start)
            return int(digits, 16)
        digits = self._text[self._at : self._at + 2]
        self._at += 2
        if len(digits) < 2 or not all(digit in _HEX for digit in digits):
            raise self._bad_escape(start)
        return int(digits, 16)

    def _bad_escape(self, start: int) -> RegexError:
        return RegexError(f"invalid escape sequence: {self._text[start : self._at]}")

    def _set(self) -> Ranges:
        start = self._at
        self._at += 1
        negated = self._text[self._at : self._at + 1] == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while self._at < len(self._text) and (self._text[self._at] != "]" or first):
            self._check_dash(first=first)
            first = False
            ranges.extend(self._class() or [self._range(start)])
        if self._at >= len(self._text):
            raise RegexError(f"missing ]: {self._text[start:]}")
        self._at += 1
        joined = join_ranges(ranges)
        return complement(joined) if negated else joined

    def _check_dash(self, *, first: bool) -> None:
        """Refuse a dash that neither stands first or last in a set nor makes a range."""
        if self._text[self._at] == "-" and not first and self._text[self._at + 1 : self._at + 2] != "]":
            raise RegexError(f"invalid character class range: {self._text[self._at : self._at + 2]}")

    def _class(self) -> list[tuple[int, int]] | None:
        if self._text[self._at : self._at + 2] != "[:":
            return None
        end = self._text.find(":]", self._at + 2)
        if end < 0:
            return None
        written = self._text[self._at : end + 2]
        name = written[2:-2]
        negated = name.startswith("^")
        members = ASCII_CLASSES.get(name[1:] if negated else name)
        if members is None:
            raise RegexError(f"invalid character class range: {written}")
        self._at = end + 2
        ranges = join_ranges([(code, code) for code in members])
        return list(complement(ranges) if negated else ranges)

    def _range(self, start: int) -> tuple[int, int]:
        begin = self._at
        low = high = self._member(start)
        following = self._text[self._at : self._at + 2]
        if following.startswith("-") and following not in ("-", "-]"):
            self._at += 1
            high = self._member(start)
        elif following == "-":
            self._at += 1
            raise RegexError(f"missing ]: {self._text[start:]}")
        if high < low:
            raise RegexError(f"invalid character class range: {self._text[begin : self._at]}")
        return low, high

    def _member(self, start: int) -> int:
        if self._at >= len(self._text):
            raise RegexError(f"missing ]: {self._text[start:]}")
        char = self._text[self._at]
        if char == "\\":
            return self._escape()
        self._at += 1
        return ord(char)


def _char(char: str) -> Chars:
    return Chars(((ord(char), ord(char)),))


def _check_repeats(tree: Node) -> None:
    """Refuse nested repetitions whose counts multiply to more than :data:`MAX_REPEAT`."""
    waiting: list[tuple[Node, int]] = [(tree, MAX_REPEAT)]
    while waiting:
        node, left = waiting.pop()
        if isinstance(node, Repeat):
            count = node.high if node.high is not None else node.low
            if count >= 2:
                left //= count
            if left == 0:
                high = "" if node.high is None else node.high
                raise RegexError(f"invalid repetition size: {{{node.low},{high}}}")
            waiting.append((node.item, left))
        elif isinstance(node, (Row, Either)):
            waiting.extend((item, left) for item in node.items)
