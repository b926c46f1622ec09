"""Changing files so that a crash at any point leaves the old state or the new one, whole."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace ``path`` by a file with ``content``, durably. Raises OSError, leaving the old one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write_new(temporary, content, mode)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def symlink(path: Path, target: str) -> None:
    """Make ``path`` a symlink to ``target``, in one step, durably. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.rename(path)
    sync_folder(path.parent)


def folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make ``path`` a folder of exactly ``files`` (relative path to content), durably. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for name, content in files.items():
            (beside / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_new(beside / name, content, 0o600)
        if path.is_dir():
            _exchange(beside, path)
        else:
            beside.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make the names in ``path`` durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    with path.open("wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _exchange(one: Path, other: Path) -> None:
    """Swap two names in one step: renameat2(2), which the standard library lacks."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    if libc.renameat2(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), str(other))
