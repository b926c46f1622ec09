"""The one writer of a spool."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent import durable
from agent.outputs.spool import format as fmt
from agent.outputs.spool import layout

MAX_BYTES = 256 * 1024 * 1024
SEGMENT_BYTES = 4 * 1024 * 1024

_Segment = tuple[str, int]  # epoch, first sequence number


@dataclass(frozen=True)
class Losses:
    """Records that the spool could not keep, since the writer was opened."""

    unwritten: int = 0
    """Not written: disk full, input or output error."""
    evicted: int = 0
    """Given up unacknowledged, to stay within the size bound."""
    last_error: str = ""
    """Why the last one was not written."""


class Writer:
    """Appends records under a new epoch. One writer per spool at a time.

    ``max_bytes`` bounds the spool; one segment more may be in the making. Raises SpoolError if
    another writer holds the spool, OSError if the folder cannot be made.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = MAX_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._max_bytes, self._segment_bytes = max_bytes, segment_bytes
        self._lock_fd = _take(folder / "writer.lock")
        self._losses = Losses()
        self._lock = threading.Lock()  # guards _losses, _unsynced and _kept, shared with the maintainer
        self._unsynced: list[int] = []
        self.epoch = layout.new_epoch(folder)
        self._kept: dict[_Segment, Counter[int]] = _survey(folder, self.epoch)
        self._writing: Counter[int] = Counter()
        self._seq, self._fd, self._end, self._first = 0, -1, 0, 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        if (place := layout.acknowledged(folder)) is not None:
            layout.drop_acknowledged(folder, place)

    @property
    def losses(self) -> Losses:
        """What was lost so far."""
        with self._lock:
            return self._losses

    @property
    def last(self) -> int:
        """The last sequence number given out."""
        return self._seq

    def append(self, body: Mapping[str, Any], priority: int) -> int | None:
        """Write one record: ``body`` with ``seq`` and ``epoch``. Return its number, ``None`` if it was lost.

        A lost record is counted in :attr:`losses`; its number is not used again.
        """
        self._seq += 1
        record = {"seq": self._seq, "epoch": self.epoch, **body}
        payload = json.dumps(record, separators=(",", ":")).encode()
        data = fmt.encode(fmt.Record(self._seq, priority, payload))
        try:
            self._write(data)
        except OSError as error:
            with self._lock:
                unwritten = self._losses.unwritten + 1
                self._losses = replace(self._losses, unwritten=unwritten, last_error=str(error))
            return None
        self._writing[priority] += len(data)
        return self._seq

    def _write(self, data: bytes) -> None:
        if len(data) > fmt.HEADER + fmt.MAX_PAYLOAD:
            raise OSError(f"record of {len(data)} bytes is too large")
        if self._fd < 0 or (self._end and self._end + len(data) > self._segment_bytes):
            self._next_segment()
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._fd, data[done:], self._end + done)
        except OSError:
            self._cut()
            raise
        self._end += len(data)

    def _cut(self) -> None:
        """Take a half-written record off the end; where even that fails, leave this segment for good."""
        try:
            os.ftruncate(self._fd, self._end)
        except OSError:
            self._seal()

    def _next_segment(self) -> None:
        self._seal()
        path = layout.segment_path(self.folder, self.epoch, self._seq)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._first = self._seq
        self._wake.set()

    def _seal(self) -> None:
        if self._fd < 0:
            return
        with self._lock:
            self._unsynced.append(self._fd)
            if self._writing:
                self._kept[(self.epoch, self._first)] = self._writing
            self._fd, self._end, self._writing = -1, 0, Counter()

    def start(self, interval_s: float = 1.0) -> None:
        """Maintain the spool from a thread: every ``interval_s`` seconds and whenever a segment is full."""
        self._thread = threading.Thread(target=self._maintain, args=(interval_s,), name="spool", daemon=True)
        self._thread.start()

    def _maintain(self, interval_s: float) -> None:
        while not self._stopping:
            self._wake.wait(interval_s)
            self._wake.clear()
            try:
                self.sync()
                self.make_room()
            except OSError as error:  # the next pass tries again; status shows it
                with self._lock:
                    self._losses = replace(self._losses, last_error=str(error))

    def sync(self) -> None:
        """Make every record written so far durable against a power cut. Raises OSError."""
        with self._lock:
            sealed, self._unsynced = self._unsynced, []
            current = os.dup(self._fd) if self._fd >= 0 else None
        for fd in sealed:
            _sync_and_close(fd)
        if current is not None:
            _sync_and_close(current)
        if sealed:
            durable.sync_folder(self.folder / self.epoch)

    def make_room(self) -> None:
        """Keep the size bound: acknowledged segments go first, then the oldest of the lowest priority."""
        place = layout.acknowledged(self.folder)
        if place is not None:
            layout.drop_acknowledged(self.folder, place)
        with self._lock:
            for segment in [each for each in self._kept if not self._exists(each)]:
                del self._kept[segment]
        while (victim := self._victim()) is not None:
            self._evict(*victim, place)

    def _victim(self) -> tuple[_Segment, int] | None:
        """Return the oldest segment with records of the lowest priority; ``None`` if all fits."""
        with self._lock:
            total = sum(sum(sizes.values()) for sizes in self._kept.values()) + self._end
            if not self._kept or total <= self._max_bytes:
                return None
            lowest = max(priority for sizes in self._kept.values() for priority in sizes)
            holders = [segment for segment, sizes in self._kept.items() if lowest in sizes]
            return min(holders, key=lambda each: (*layout.epoch_order(each[0]), each[1])), lowest

    def _exists(self, segment: _Segment) -> bool:
        return layout.segment_path(self.folder, *segment).exists()

    def _evict(self, segment: _Segment, priority: int, place: layout.Place | None) -> None:
        """Rewrite a segment without the records of a priority."""
        gone = _rewrite_without(layout.segment_path(self.folder, *segment), priority)
        lost = [seq for seq in gone if place is None or layout.Place(segment[0], seq).order > place.order]
        with self._lock:
            self._losses = replace(self._losses, evicted=self._losses.evicted + len(lost))
            del self._kept[segment][priority]
            if not self._kept[segment]:
                del self._kept[segment]

    def close(self) -> None:
        """Make everything durable and let the spool go."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._seal()
        try:
            self.sync()
        finally:
            os.close(self._lock_fd)


def _take(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise layout.SpoolError(f"another process writes this spool: it holds {path}") from None
    return fd


def _survey(folder: Path, own: str) -> dict[_Segment, Counter[int]]:
    """Return the bytes by priority of every segment that earlier writers left; remove empty leftovers."""
    kept: dict[_Segment, Counter[int]] = {}
    for epoch in layout.epochs(folder):
        if epoch == own:
            continue
        for first in layout.segments(folder, epoch):
            path = layout.segment_path(folder, epoch, first)
            sizes = _sizes(path.read_bytes())
            if sizes:
                kept[(epoch, first)] = sizes
            else:
                path.unlink()
        if not layout.segments(folder, epoch):
            layout.remove_epoch(folder, epoch)
    return kept


def _sizes(data: bytes) -> Counter[int]:
    sizes: Counter[int] = Counter()
    for record, _ in fmt.scan(data, skip_damage=True):
        sizes[record.priority] += fmt.HEADER + len(record.payload)
    return sizes


def _rewrite_without(path: Path, priority: int) -> list[int]:
    """Take the records of a priority out of a segment; return their numbers. A crash leaves old or new."""
    try:
        records = [record for record, _ in fmt.scan(path.read_bytes(), skip_damage=True)]
    except FileNotFoundError:  # acknowledged and deleted in the meantime
        return []
    stay = [fmt.encode(record) for record in records if record.priority != priority]
    if stay:
        durable.write(path, b"".join(stay))  # where not even the smaller copy has room, the old one stays
    else:
        path.unlink(missing_ok=True)
    return [record.seq for record in records if record.priority == priority]


def _sync_and_close(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)
