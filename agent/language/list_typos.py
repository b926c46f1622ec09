"""Constants that are probably the names of lists, misspelt: ``proc.name in (shell_binarys)``.

To Falco they are texts, so the rule loads and never matches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from agent.language import tree
from agent.language.lint import checks_of

SIMILAR = 0.85
"""How alike a constant and a list's name must be (``difflib`` ratio)."""
OTHER_LENGTH = 4
"""By how many characters their lengths may differ; they also begin alike. Keeps loading fast."""
LONGEST = 64
"""Longer constants are no names."""


class ListTypos:
    """Finds them; each word is compared once."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name for name in names if "_" in name]
        self._known = set(names)
        self._close: dict[bytes, str] = {}

    def find(self, condition: tree.Condition) -> Iterator[tuple[tree.Literal, str]]:
        """Give each constant of a condition that is nearly the name of a list, and that name."""
        for check in checks_of(condition):
            if isinstance(check.right, tree.LiteralList):
                for literal in check.right.items:
                    name = "" if literal.quoted else self._closest(literal.value)
                    if name:
                        yield literal, name

    def _closest(self, value: bytes) -> str:
        if value not in self._close:
            self._close[value] = self._compare(value)
        return self._close[value]

    def _compare(self, value: bytes) -> str:
        word = value.decode("latin-1")
        if (
            len(word) > LONGEST
            or not word.replace("_", "").isalnum()
            or "_" not in word
            or word in self._known
        ):
            return ""
        near = [
            name for name in self._names if name[0] == word[0] and abs(len(name) - len(word)) <= OTHER_LENGTH
        ]
        close = get_close_matches(word, near, n=1, cutoff=SIMILAR)
        return close[0] if close else ""
