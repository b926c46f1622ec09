"""Showing data: a table on a terminal, aligned text in a pipe, JSON when asked."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from controller.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")
_COLOURS = {
    **dict.fromkeys(("ok", "changed", "done"), "green"),
    **dict.fromkeys(("failed", "drift", "no", "not fit", "unreachable"), "red"),
    **dict.fromkeys(("refused", "expired", "held", "no engine"), "yellow"),
    "unchanged": "dim",
}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show rows under their columns. Control characters are escaped."""
    cells = [[printable("-" if cell is None else str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def _rich_table(columns: Sequence[str], cells: list[list[str]]) -> None:
    from rich.box import SIMPLE_HEAD  # a terminal is there to see it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=SIMPLE_HEAD)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in cells:
        shown.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(shown)


def print_json(value: Any) -> None:
    """Show a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def say(text: str) -> None:
    """Write a line; control characters are escaped."""
    sys.stdout.write(printable(text) + "\n")


def warn(text: str) -> None:
    """Write a line to standard error; control characters are escaped."""
    sys.stderr.write(printable(text) + "\n")


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Give the items on, and show on a terminal how many have come."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console  # a terminal is there to see it
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            bar.advance(task)
            yield item
