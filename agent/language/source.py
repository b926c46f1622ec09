"""Where something stands in a rules file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class RulesFile:
    """One rules file, as it was read from disk or from a release."""

    name: str
    """Name for messages: the path as the user gave it."""
    content: bytes


class Place(NamedTuple):
    """A point in a file. Line and column count from 0; columns count characters."""

    line: int
    column: int

    def human(self) -> str:
        """``line:column`` counted from 1, as editors and compilers print it."""
        return f"{self.line + 1}:{self.column + 1}"


class Span(NamedTuple):
    """A piece of a file: from ``start`` up to, not including, ``end``."""

    start: Place
    end: Place


@dataclass(frozen=True)
class Location:
    """One step of a diagnostic's chain: which item of which file, and where it stands.

    ``kind`` is Falco's item type: ``rules content``, ``rule``, ``macro``, ``list``, ``exception``,
    ``exception values``, ``rule condition``, ``macro condition``, ``condition expression``, ``rule output``,
    ``required_engine_version``, …
    """

    kind: str
    name: str
    file: str
    place: Place
    offset: int = 0
    """Characters before it in the file."""
