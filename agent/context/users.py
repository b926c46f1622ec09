"""User and group names, from the account files of the host or of a container's root."""

from __future__ import annotations

import os
from typing import NamedTuple

_LIMIT = 4 * 1024 * 1024
_ROOTS = 256


class User(NamedTuple):
    """A line of ``passwd``."""

    name: bytes
    home: bytes
    shell: bytes


Table = dict[int, tuple[bytes, ...]]


class _File:
    """A file of ``:``-separated lines by their number, read again when it changes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._version: tuple[int, int, int] | None = None
        self._table: Table = {}

    def table(self) -> Table:
        """Return the lines' fields by the number in the third."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a path object for every lookup costs more than the lookup
            version = (status.st_mtime_ns, status.st_ino, status.st_size)
            if version != self._version:
                self._table, self._version = self._read(), version
        except OSError:  # the root is gone with its container, or has no such file: nobody has a name there
            self._table, self._version = {}, None
        return self._table

    def _read(self) -> Table:
        with open(self._path, "rb") as file:  # noqa: PTH123 - the path may hold any bytes
            lines = file.read(_LIMIT).split(b"\n")
        table: Table = {}
        for line in lines:
            fields = tuple(line.split(b":"))
            if len(fields) >= 3 and fields[2].isdigit():
                table.setdefault(int(fields[2]), fields)
        return table


class Users:
    """Names by number. ``root`` is the folder of the account files: the host's or a container's."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def _file(self, path: str) -> Table:
        file = self._files.get(path)
        if file is None:
            if len(self._files) >= _ROOTS:
                self._files.clear()
            file = self._files[path] = _File(path)
        return file.table()

    def user(self, uid: int, root: str = "/") -> User | None:
        """Return the user with this number, or None."""
        fields = self._file(f"{root}/etc/passwd").get(uid)
        if fields is None:
            return None
        padded = (*fields, b"", b"", b"", b"", b"", b"", b"")
        return User(padded[0], padded[5], padded[6])

    def group(self, gid: int, root: str = "/") -> bytes | None:
        """Return the name of the group with this number, or None."""
        fields = self._file(f"{root}/etc/group").get(gid)
        return fields[0] if fields else None
