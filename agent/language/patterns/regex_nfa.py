"""A regular expression's nondeterministic automaton over code points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from agent.language.patterns.regex_syntax import Chars, Either, Line, Node, Ranges, RegexError, Repeat, Row

MAX_STATES = 50_000
"""States of one automaton; a pattern that needs more is refused, as RE2 refuses what outgrows its memory."""


class Nfa:
    """States are numbers. A state reads a character, or leads on without, perhaps only at a line's edge."""

    def __init__(self) -> None:
        self.reads: list[tuple[tuple[int, ...], int] | None] = []
        """Per state: the borders of its character set and the next state; ``None`` if it reads nothing."""
        self.empty: list[list[tuple[int, str]]] = []
        """Per state: next states without reading, each with ``""``, ``"begin"`` or ``"end"``."""
        self.start = 0
        self.final = 0
        self.has_lines = False

    def new(self) -> int:
        """Add a state."""
        if len(self.reads) >= MAX_STATES:
            raise RegexError("pattern too large - compile failed")
        self.reads.append(None)
        self.empty.append([])
        return len(self.reads) - 1

    def closure(self, states: Iterable[int], *, bol: bool, eol: bool) -> set[int]:
        """Return the states reached without reading, at a place that begins or ends a line or not."""
        reached = set(states)
        waiting = list(reached)
        while waiting:
            for following, condition in self.empty[waiting.pop()]:
                open_here = not condition or (bol if condition == "begin" else eol)
                if open_here and following not in reached:
                    reached.add(following)
                    waiting.append(following)
        return reached

    def move(self, states: Iterable[int], code: int) -> frozenset[int]:
        """Return the states reached by reading one character."""
        reached = set()
        for state in states:
            read = self.reads[state]
            if read is not None and bisect_right(read[0], code) & 1:
                reached.add(read[1])
        return frozenset(reached)


def build(tree: Node) -> Nfa:
    """Build the automaton of a pattern; :class:`RegexError` if it would be too large."""
    nfa = Nfa()
    nfa.start, nfa.final = nfa.new(), nfa.new()
    waiting: list[tuple[Node, int, int]] = [(tree, nfa.start, nfa.final)]
    while waiting:  # a pattern may nest deeper than Python's own stack
        node, start, end = waiting.pop()
        waiting.extend(_connect(nfa, node, start, end))
    return nfa


def _connect(nfa: Nfa, node: Node, start: int, end: int) -> list[tuple[Node, int, int]]:
    """Put one node between two states; return the parts still to be put."""
    if isinstance(node, Chars):
        reader = nfa.new()
        nfa.empty[start].append((reader, ""))
        nfa.reads[reader] = (_borders(node.ranges), end)
        return []
    if isinstance(node, Line):
        nfa.has_lines = True
        nfa.empty[start].append((end, node.where))
        return []
    if isinstance(node, Either):
        return [(item, start, end) for item in node.items]
    if isinstance(node, Row):
        return _connect_row(nfa, node.items, start, end)
    return _connect_repeat(nfa, node, start, end)


def _connect_row(nfa: Nfa, items: tuple[Node, ...], start: int, end: int) -> list[tuple[Node, int, int]]:
    if not items:
        nfa.empty[start].append((end, ""))
        return []
    places = [start, *(nfa.new() for _ in items[1:]), end]
    return [(item, places[at], places[at + 1]) for at, item in enumerate(items)]


def _connect_repeat(nfa: Nfa, node: Repeat, start: int, end: int) -> list[tuple[Node, int, int]]:
    parts: list[tuple[Node, int, int]] = []
    at = start
    for _ in range(node.low):
        after = nfa.new()
        parts.append((node.item, at, after))
        at = after
    if node.high is None:
        loop = nfa.new()
        nfa.empty[at].append((loop, ""))
        nfa.empty[loop].append((end, ""))
        parts.append((node.item, loop, loop))
        return parts
    for _ in range(node.high - node.low):
        nfa.empty[at].append((end, ""))
        after = nfa.new()
        parts.append((node.item, at, after))
        at = after
    nfa.empty[at].append((end, ""))
    return parts


def _borders(ranges: Ranges) -> tuple[int, ...]:
    """Flatten ranges so that an odd place of a code point among the borders means that it is inside."""
    return tuple(border for low, high in ranges for border in (low, high + 1))
