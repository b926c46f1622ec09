"""Errors and warnings about rules files: what is wrong, where, and what to do.

The codes are Falco's own (``falco_load_result.cpp`` upstream names them), so tools that read Falco's
``-V -o json_output=true`` read these too.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.language.source import Location, Place

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning."""

    severity: str
    """:data:`ERROR` or :data:`WARNING`."""
    code: str
    """Falco's code, such as ``LOAD_ERR_COMPILE_CONDITION``."""
    message: str
    """What is wrong, in Falco's words where Falco has words for it."""
    file: str
    """Name of the file, as in :class:`~agent.language.source.RulesFile`."""
    place: Place
    """The place to look at."""
    end: Place
    """End of the text to underline; equal to ``place`` for a point."""
    chain: tuple[Location, ...] = ()
    """From the whole file down to the innermost item, as Falco's ``locations``."""
    hint: str = ""
    """What to do about it; empty if the message says it all."""
    snippet: str = ""
    """The text that Falco shows around the place, with a caret; the expanded condition for errors in it."""

    @property
    def is_error(self) -> bool:
        """Whether this keeps the file from loading."""
        return self.severity == ERROR
