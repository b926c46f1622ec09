"""Rules files and playbooks named on the command line, as ``rules_files`` of ``falco.yaml`` names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.language import RulesFile
from agent.language.source import rules_of_folder
from controller.errors import InputError


def read_files(paths: Sequence[Path], what: str = "rules") -> list[RulesFile]:
    """Read files and folders in the order given.

    A folder stands for its ``.yaml`` and ``.yml`` files, by name, not below. Raises InputError.
    """
    return [_read(path) for given in paths for path in expand(given, what)]


def expand(path: Path, what: str = "rules") -> list[Path]:
    """Return the file, or a folder's YAML files by name, test cases left out. Raises InputError."""
    if not path.is_dir():
        return [path]
    try:
        entries = list(path.iterdir())
    except OSError as error:
        raise InputError(f"cannot read the folder: {error.strerror}", str(path)) from None
    found = rules_of_folder(file for file in entries if file.is_file())
    if not found:
        raise InputError(f"the folder holds no {what} (*.yaml, *.yml)", str(path))
    return found


def _read(path: Path) -> RulesFile:
    try:
        return RulesFile(str(path), path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", str(path)) from None
