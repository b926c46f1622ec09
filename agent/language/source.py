"""Where something stands in a rules file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple, TypeVar

AnyPath = TypeVar("AnyPath", bound=PurePath)


@dataclass(frozen=True)
class RulesFile:
    """One rules file, as it was read from disk or from a release."""

    name: str
    """Name for messages: the path as the user gave it."""
    content: bytes


RULES_SUFFIXES = (".yaml", ".yml")
TESTS = "_test"


def rules_of_folder(files: Iterable[AnyPath]) -> list[AnyPath]:
    """Return those of a folder's files that are rules files, in load order: by name, as Falco.

    ``NAME_test.yaml`` beside ``NAME.yaml`` holds its test cases; it is no rules file.
    """
    found = sorted(file for file in files if file.suffix in RULES_SUFFIXES)
    stems = {file.stem for file in found}
    return [file for file in found if not (file.stem.endswith(TESTS) and file.stem[: -len(TESTS)] in stems)]


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
