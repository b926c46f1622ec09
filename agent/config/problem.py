"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"
NOTICE = "notice"


@dataclass(frozen=True)
class Place:
    """A point in a configuration. ``file`` may also name an option of the command line."""

    file: str
    line: int = 0
    """From 1; 0 where there are no lines."""
    column: int = 0
    """From 1, in characters."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One error, warning or notice."""

    severity: str
    """:data:`ERROR`: the configuration is refused. :data:`WARNING`: probably not what was meant.
    :data:`NOTICE`: accepted without effect here."""
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message}"


class ConfigError(Exception):
    """The configuration is refused; :attr:`problems` says why, warnings and notices included."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(each) for each in problems if each.severity == ERROR))
        self.problems = tuple(problems)
