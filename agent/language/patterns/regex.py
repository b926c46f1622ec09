"""``regex``: whole-text matching in time linear in the text, whatever the pattern and the text.

The pattern becomes a nondeterministic automaton over code points; the deterministic one is built while texts
run through it, a state at a time, and thrown away when it grows past a bound (RE2 does the same). Even a text
that makes every step a new state costs no more than its length times the size of the pattern.
"""

from __future__ import annotations

import re
from typing import Callable

from agent.language.patterns.regex_nfa import Nfa, build
from agent.language.patterns.regex_syntax import (
    Chars,
    Either,
    Line,
    Node,
    RegexError,
    Repeat,
    Row,
    parse_regex,
)

__all__ = ["RegexError", "compile_regex"]

MAX_CACHE = 20_000
"""Transitions that one pattern's cache holds before it is thrown away."""
MAX_PATHS = 32
"""Ways through a pattern's alternatives up to which Python's own engine may run it."""


def compile_regex(pattern: bytes) -> Callable[[bytes], bool]:
    """Return the test that a whole text matches ``pattern``; :class:`RegexError` if RE2 would refuse it.

    A text is read as UTF-8, with U+FFFD for what is not.
    """
    tree = parse_regex(pattern)
    nfa = build(tree)
    if is_safe_for_re(tree):
        full = re.compile(expression(tree)).fullmatch
        return lambda text: full(text.decode("utf-8", "replace")) is not None
    return Dfa(nfa).matches


class _State(dict[str, "_State"]):
    """A state of the deterministic automaton: character to next state, computed on first use."""

    __slots__ = ("accepting", "bol", "kernel", "owner")

    def __init__(self, owner: Dfa, kernel: frozenset[int], *, bol: bool) -> None:
        super().__init__()
        self.owner = owner
        self.kernel = kernel
        self.bol = bol
        self.accepting: bool | None = None

    def __missing__(self, char: str) -> _State:
        return self.owner.step(self, char)


class Dfa:
    """The lazily built deterministic automaton of one pattern."""

    def __init__(self, nfa: Nfa) -> None:
        self._nfa = nfa
        self._states: dict[tuple[frozenset[int], bool], _State] = {}
        self._transitions = 0
        self._start = frozenset((nfa.start,))

    @property
    def cached(self) -> int:
        """Transitions now in the cache."""
        return self._transitions

    def matches(self, text: bytes) -> bool:
        """Say whether the whole text matches."""
        state = self._state(self._start, bol=True)
        for char in text.decode("utf-8", "replace"):
            state = state[char]
            if not state.kernel:
                return False
        if state.accepting is None:
            state.accepting = self._nfa.final in self._nfa.closure(state.kernel, bol=state.bol, eol=True)
        return state.accepting

    def step(self, state: _State, char: str) -> _State:
        """Compute and remember where ``char`` leads from ``state``."""
        newline = char == "\n"
        reached = self._nfa.closure(state.kernel, bol=state.bol, eol=newline)
        following = self._state(self._nfa.move(reached, ord(char)), bol=newline)
        state[char] = following
        self._transitions += 1
        if self._transitions > MAX_CACHE:
            self._forget()
        return following

    def _state(self, kernel: frozenset[int], *, bol: bool) -> _State:
        key = (kernel, bol and self._nfa.has_lines)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(self, kernel, bol=key[1])
        return state

    def _forget(self) -> None:
        for state in self._states.values():
            state.clear()  # breaks the cycles among states as well
        self._states.clear()
        self._transitions = 0


def is_safe_for_re(tree: Node) -> bool:
    """Say whether Python's backtracking engine runs the pattern in bounded time.

    It does if there is at most one repetition of variable length, of a single character, and at most
    :data:`MAX_PATHS` ways through the alternatives. Proof: a match is then determined by which alternatives
    were taken (at most MAX_PATHS combinations) and how often the one repetition ran (at most length + 1
    ways), and each of these costs at most the length of the text. Line anchors are left to the automaton.
    """
    repeats, paths, waiting = 0, 1, [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Line):
            return False
        if isinstance(node, Repeat):
            if not isinstance(node.item, Chars):
                return False
            repeats += node.low != node.high
        elif isinstance(node, (Row, Either)):
            waiting.extend(node.items)
            paths *= len(node.items) if isinstance(node, Either) else 1
        if repeats > 1 or paths > MAX_PATHS:
            return False
    return True


def expression(tree: Node) -> str:
    """Write a safe pattern for Python's ``re``, with explicit sets only: nothing depends on its dialect."""
    if isinstance(tree, Chars):
        return _set(tree)
    if isinstance(tree, Repeat):
        return f"{expression(tree.item)}{{{tree.low},{'' if tree.high is None else tree.high}}}"
    if isinstance(tree, Either):
        return "(?:" + "|".join(expression(item) for item in tree.items) + ")"
    if isinstance(tree, Row):
        return "(?:" + "".join(expression(item) for item in tree.items) + ")"
    raise AssertionError(tree)  # line anchors are not safe


def _set(chars: Chars) -> str:
    if not chars.ranges:
        return "(?!)"
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in chars.ranges) + "]"
