"""Lists: items of lists inside lists, and lists inside conditions.

Falco replaces the names of lists in the text of a condition, before it is parsed. So does this, with one
difference that is meant: text inside quotes is left alone (in Falco a list named ``cat`` changes
``"run cat now"``). Where that makes a difference, :attr:`Expansion.spared` names the lists.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from agent.language.exceptions import quote_item
from agent.language.items import ListItem

BLANKS = " \t\n\r"
_DELIMITERS = frozenset(BLANKS + "(),=")
_WORD = re.compile(r"[^ \t\n\r(),=]+")
_QUOTED = re.compile(r""""(?:[^"\0]|(?<=\\)")*?(?<!\\)"|'(?:[^'\0]|(?<=\\)')*?(?<!\\)\'""", re.DOTALL)

MAX_EXPANDED = 4 << 20
"""Most characters of a condition after lists are expanded."""
MAX_SCANNED = 64 << 20
"""Most characters looked at while one condition is expanded: its length for each list in it."""
MAX_ODD_NAMES = 100
"""Most lists whose names are no words of a condition; each condition is searched for each of them."""


class TooLongError(ValueError):
    """A condition grows beyond :data:`MAX_EXPANDED` or :data:`MAX_SCANNED` when lists are expanded."""


@dataclass(frozen=True)
class ExpandedList:
    """A list whose items that name lists are replaced by their items."""

    name: str
    items: tuple[str, ...]
    text: str
    """The items as they are put into conditions."""
    refers_to: frozenset[str]


class Edit(NamedTuple):
    """One replacement: where, how much went and came, and where in what went the name stood."""

    start: int
    old: int
    new: int
    name: int


@dataclass
class Expansion:
    """A condition text with lists expanded, and how it came about."""

    text: str
    used: list[str] = field(default_factory=list)
    """Names of the lists that were expanded."""
    spared: list[str] = field(default_factory=list)
    """Names of lists that occur as words inside quotes, where Falco would have expanded them."""
    edits: list[Edit] = field(default_factory=list)
    """The replacements, in the order made."""

    def original(self, offset: int) -> int:
        """Return the offset in the text before expansion; inside a replacement that of the list's name."""
        for edit in reversed(self.edits):
            if offset >= edit.start + edit.new:
                offset += edit.old - edit.new
            elif offset > edit.start:
                offset = edit.start + edit.name
        return offset


def expand_lists(lists: Mapping[str, ListItem]) -> dict[str, ExpandedList]:
    """Expand lists inside lists, one level deep as Falco does, where they are visible."""
    expanded: dict[str, ExpandedList] = {}
    for name, item in lists.items():
        values: list[str] = []
        refers: set[str] = set()
        for node in item.items:
            other = lists.get(node.value)
            if other is not None and other.index < item.visibility:
                refers.add(node.value)
                values.extend(inner.value for inner in other.items)
            else:
                values.append(node.value)
        # an empty first item leaves no comma behind, as in Falco
        text = ""
        for value in values:
            text = f"{text}, {quote_item(value)}" if text else quote_item(value)
        expanded[name] = ExpandedList(name, tuple(values), text, frozenset(refers))
    return expanded


class Expander:
    """Expands lists in conditions."""

    def __init__(self, lists: Mapping[str, ExpandedList]) -> None:
        self._lists = list(lists.values())
        self._order = {one.name: number for number, one in enumerate(self._lists)}
        # a name with a delimiter in it is never a word of a condition
        self._odd = [number for number, one in enumerate(self._lists) if not _WORD.fullmatch(one.name)]

    def expand(self, text: str) -> Expansion:
        """Expand every list in ``text``, in definition order. Raises TooLongError."""
        result = Expansion(text)
        done, scanned = -1, 0
        while True:
            number = self._next(result.text, done)
            if number is None:
                return result
            self._replace(result, self._lists[number])
            scanned += len(result.text)
            if len(result.text) > MAX_EXPANDED or scanned > MAX_SCANNED:
                raise TooLongError(self._lists[number].name)
            done = number

    def _next(self, text: str, done: int) -> int | None:
        order = self._order
        found = [order[word] for word in set(_WORD.findall(text)) if word in order]
        found += [number for number in self._odd if self._lists[number].name in text]
        return min((number for number in found if number > done), default=None)

    def _replace(self, result: Expansion, one: ExpandedList) -> None:
        text, name = result.text, one.name
        quoted = [match.span() for match in _QUOTED.finditer(text)] if '"' in text or "'" in text else []
        starts = [span[0] for span in quoted]
        parts: list[str] = []
        copied = done = 0
        at = text.find(name)
        while at >= 0:
            span = quoted[bisect_right(starts, at) - 1] if starts and starts[0] <= at else (0, 0)
            if not _stands_alone(text, at, at + len(name)):
                pass
            elif at < span[1]:
                _note(result.spared, name)
            else:
                start, end = _surrounding(text, at, at + len(name), copied, empty=not one.text)
                before = " " if start else ""
                parts += [text[copied:start], before, one.text, " "]
                length = len(before) + len(one.text) + 1
                result.edits.append(Edit(start + done, end - start, length, at - start))
                done += length - (end - start)
                copied = end
                _note(result.used, name)
            at = text.find(name, max(at + 1, copied))
        if parts:
            result.text = "".join([*parts, text[copied:]])


def _note(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def _stands_alone(text: str, start: int, end: int) -> bool:
    before = start == 0 or text[start - 1] in _DELIMITERS
    return before and (end >= len(text) or text[end] in _DELIMITERS)


def _surrounding(text: str, start: int, end: int, floor: int, *, empty: bool) -> tuple[int, int]:
    """Take in the blanks around a name, and one comma if there is nothing to put in its place."""
    while start > floor and text[start - 1] in BLANKS:
        start -= 1
    while end < len(text) and text[end] in BLANKS:
        end += 1
    if empty:
        if start > floor and text[start - 1] == ",":
            start -= 1
        elif end < len(text) and text[end] == ",":
            end += 1
    return start, end
