"""Diagnostics for people: the place, the line, a caret below it, and what to do."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.language import RulesFile
from agent.language.diagnostic import Diagnostic
from agent.language.scalars import SourceText
from agent.language.yaml_reader import YamlError, decode
from controller.text import printable

WIDTH = 120
"""Longest piece of a source line that is shown, in characters."""


@dataclass(frozen=True)
class Line:
    """One line to print; ``style`` is ``error``, ``warning``, ``source``, ``caret``, ``help`` or empty."""

    text: str
    style: str = ""


class Renderer:
    """Renders diagnostics about a set of files."""

    def __init__(self, files: Sequence[RulesFile]) -> None:
        self._files = {file.name: file.content for file in files}
        self._texts: dict[str, SourceText] = {}

    def render(self, item: Diagnostic) -> Iterator[Line]:
        """Give the lines of one diagnostic. Control characters from the file are escaped."""
        place = f"{item.file}:{item.place.human()}"
        yield Line(printable(f"{place}: {item.severity}: {item.message} [{item.code}]"), item.severity)
        yield from self._excerpt(item)
        where = _where(item)
        if where:
            yield Line(f"      in {printable(where)}", "help")
        if item.hint:
            yield Line(f"      help: {printable(item.hint)}", "help")

    def _excerpt(self, item: Diagnostic) -> Iterator[Line]:
        line = self._text(item.file).line(item.place.line)
        if not line.strip():
            return
        start = item.place.column
        end = item.end.column if item.end.line == item.place.line else start
        cut = max(0, start - WIDTH // 2) if len(line) > WIDTH else 0
        shown = line[cut : cut + WIDTH]
        number = f"{item.place.line + 1:5}"
        yield Line(f"{number} | {_flat(shown)}", "source")
        before = " " * _cells(_flat(line[cut:start]))
        under = "^" + "~" * (max(_cells(_flat(line[start : min(end, cut + WIDTH)])), 1) - 1)
        yield Line(f"{' ' * 5} | {before}{under}", "caret")

    def _text(self, name: str) -> SourceText:
        if name not in self._texts:
            try:
                text = decode(self._files.get(name, b""))
            except YamlError:  # not UTF-8, which the diagnostic says
                text = self._files[name].decode("utf-8", "replace")
            self._texts[name] = SourceText(name, text)
        return self._texts[name]


def _where(item: Diagnostic) -> str:
    named = [f"{step.kind} '{step.name}'" for step in item.chain if step.name and step.kind != "value for"]
    return ", ".join(named)


def _flat(text: str) -> str:
    return printable(text.replace("\t", " "))


def _cells(text: str) -> int:
    """Columns that a terminal needs for a text."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def summary(items: Iterable[Diagnostic], files: int) -> str:
    """Say how many errors and warnings there are."""
    listed = list(items)
    errors = sum(item.is_error for item in listed)
    parts = [_count(files, "file"), _count(errors, "error"), _count(len(listed) - errors, "warning")]
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
