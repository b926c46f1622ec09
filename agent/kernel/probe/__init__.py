"""The probe's source: the files of this folder, in this order."""

from __future__ import annotations

from pathlib import Path

_FILES = ("record", "identity", "header", "generation", "entry", "who", "what", "paths", "exit")


def text() -> str:
    """Return the whole source, with a line ``FILTER`` where the filter goes."""
    folder = Path(__file__).parent
    return "\n".join((folder / f"{name}.c").read_text() for name in _FILES)
