"""What was done on this host, written down before it is done.

One file of lines, appended and synced to disk: a checksum, a space, a JSON object.

    begun   an action is about to act: its key, responder, parameters, target, state before
    noted   what became known while it acted, before that was acted on
    ended   how it ended: ``done``, ``failed`` or ``refused``, and the result
    undone  it was undone, by whom or by its time to live, and what that did

A key that is ``begun`` and not ``ended`` was interrupted, unless somebody holds its lock.
Several processes share the file: it is locked while it is written, and a key is locked while
its action runs. The kernel drops both locks when a process dies.

When the file has grown large, what ended long ago is left out of a new one that takes its place.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import json
import logging
import os
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]
_log = logging.getLogger(__name__)

FILE = "journal"
LOCKS = "locks"
KEEP_NS = 30 * 86_400 * 10**9
"""How long a key is remembered after its end, in nanoseconds: the controller asks within minutes."""
LARGE = 16 * 1024 * 1024
"""Size in bytes from which on the file is made anew."""
_RECENT = 10_000  # more than any budget allows in its time


class JournalError(Exception):
    """The journal cannot be read or written. Nothing may be done without it."""


@dataclass
class Entry:
    """What the journal knows of one key."""

    key: str
    begun: Json | None = None
    noted: Json = field(default_factory=dict)
    ended: Json | None = None
    undone: Json | None = None

    @property
    def before(self) -> Json:
        """State before the act, with what became known while acting."""
        return {**(self.begun or {}).get("before", {}), **self.noted}

    def lines(self) -> Iterator[Json]:
        """Give the lines that say all of this."""
        if self.begun is not None:
            yield self.begun
        if self.noted:
            yield {"kind": "noted", "key": self.key, "values": self.noted}
        yield from (one for one in (self.ended, self.undone) if one is not None)

    @property
    def expires_ns(self) -> int | None:
        """When its time to live ends (wall clock); ``None`` if it has none, has not begun or was undone."""
        if self.begun is None or self.undone is not None or (self.ended or {}).get("state", "done") != "done":
            return None
        return self.begun.get("expires_ns")


class Journal:
    """The journal in ``folder``, which is made if it is missing. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._path, self._locks = folder / FILE, folder / LOCKS
        self._mutex = threading.Lock()
        self._large = LARGE
        self._file = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open()
            os.close(os.open(self._locks, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            _sync_folder(folder)
        except OSError as error:
            raise JournalError(f"{folder}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._entries: dict[str, Entry] = {}
        self._begun_ns: collections.deque[int] = collections.deque(maxlen=_RECENT)
        self._offset = 0

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock called ``name`` against every thread and process; wait until it is free."""
        # One byte of the file for each name: an open-file-description lock (fcntl(2)).
        start = int.from_bytes(sha256(name.encode())[:7], "big")
        descriptor = os.open(self._locks, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _flock(start))
            yield
        finally:
            os.close(descriptor)

    def find(self, key: str) -> Entry | None:
        """Return what is known of ``key``. Raises JournalError."""
        with self._mutex:
            self._catch_up()
            return self._entries.get(key)

    def begun_since(self, time_ns: int) -> int:
        """Count the actions that were begun at ``time_ns`` (wall clock) or later. Raises JournalError."""
        with self._mutex:
            self._catch_up()
            return sum(1 for begun in self._begun_ns if begun >= time_ns)

    def expiring(self) -> list[Entry]:
        """Return the entries whose time to live runs or is over, soonest first. Raises JournalError."""
        with self._mutex:
            self._catch_up()
            found = [entry for entry in self._entries.values() if entry.expires_ns is not None]
        return sorted(found, key=lambda entry: entry.expires_ns or 0)

    def append(self, kind: str, key: str, **values: Any) -> None:
        """Write a line and wait until it is on the disk. Raises JournalError, and then it is not there."""
        line = _line({"kind": kind, "key": key, **values})
        with self._mutex, self._exclusive():
            self._catch_up()
            self._cut_torn_tail()
            try:
                _write(self._file, line)
                os.fdatasync(self._file)
            except OSError as error:
                os.ftruncate(self._file, self._offset)
                raise JournalError(f"{self._path}: {error.strerror}") from None
            self._catch_up()
            if self._offset > self._large:
                self._renew()

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        while self._replaced():
            self._open()  # closing the old one gave its lock back
            fcntl.flock(self._file, fcntl.LOCK_EX)
        locked = self._file
        try:
            yield
        finally:
            if self._file == locked:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _replaced(self) -> bool:
        """Whether another process has put a new file in the place of this one."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        own = os.fstat(self._file)
        return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino)

    def _renew(self) -> None:
        """Leave out what ended long ago. Whatever goes wrong, the old file stays, whole."""
        before = time.time_ns() - KEEP_NS
        kept = [entry for entry in self._entries.values() if not _is_old(entry, before)]
        new = self._path.with_suffix(".new")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                for entry in kept:
                    _write(descriptor, b"".join(map(_line, entry.lines())))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            new.replace(self._path)
            _sync_folder(self._path.parent)
            self._open()
            self._catch_up()
        except OSError as error:
            _log.error("the journal stays as large as it is: %s", error)
        self._large = max(LARGE, 2 * self._offset)

    def _catch_up(self) -> None:
        """Take in the whole lines that were added since the last time, by whomever."""
        if self._replaced():
            self._open()
        while chunk := os.pread(self._file, 1 << 20, self._offset):
            end = chunk.rfind(b"\n") + 1
            if not end:
                end = self._long_line(len(chunk))
                if not end:
                    return
                chunk = os.pread(self._file, end, self._offset)
            for line in chunk[:end].split(b"\n")[:-1]:
                self._take(line)
                self._offset += len(line) + 1

    def _long_line(self, start: int) -> int:
        """Return the length of a line longer than a chunk, or 0 if it does not end."""
        while chunk := os.pread(self._file, 1 << 20, self._offset + start):
            if (found := chunk.find(b"\n")) >= 0:
                return start + found + 1
            start += len(chunk)
        return 0

    def _cut_torn_tail(self) -> None:
        """Drop the part line that a writer left when it died. Its length was never relied upon."""
        if os.fstat(self._file).st_size > self._offset:
            os.ftruncate(self._file, self._offset)

    def _take(self, line: bytes) -> None:
        value = _parse(line, f"{self._path} at byte {self._offset}")
        entry = self._entries.setdefault(value["key"], Entry(value["key"]))
        if value["kind"] == "noted":
            entry.noted.update(value["values"])
        elif value["kind"] == "begun":
            entry.begun = value
            self._begun_ns.append(value["time_ns"])
        elif value["kind"] == "undone":
            entry.undone = value
        else:
            entry.ended = value


def _is_old(entry: Entry, before_ns: int) -> bool:
    last = entry.undone or entry.ended
    return last is not None and last.get("ended_ns", 0) < before_ns and entry.expires_ns is None


def _flock(start: int) -> bytes:
    """Return ``struct flock`` of fcntl(2) for one byte at ``start``, as 64-bit Linux lays it out."""
    return struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)


def _line(value: Json) -> bytes:
    text = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes, where: str) -> Json:
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        raise JournalError(
            f"{where}: damaged. Without it an action might be repeated, so none is run: "
            "look into it, then move the file away"
        )
    value: Json = json.loads(text)
    return value


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
