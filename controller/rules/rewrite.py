"""Put a new content in a file's place."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from controller.errors import InputError


def difference(path: Path, before: bytes, after: bytes) -> Iterator[str]:
    """Give the lines of a unified diff."""
    old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
    return difflib.unified_diff(old, new, str(path), f"{path} (formatted)", lineterm="")


def replace(path: Path, content: bytes) -> None:
    """Put the new content in place at once, with the old file's permissions. Raises InputError."""
    target = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as handle:
            handle.write(content)
    except OSError as error:
        raise InputError(f"cannot write beside it: {error.strerror}", str(path)) from None
    new = Path(handle.name)
    try:
        shutil.copymode(target, new)
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise InputError(f"cannot write it: {error.strerror}", str(path)) from None
