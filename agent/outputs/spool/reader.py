"""Reading a spool from another process, in order, from any place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from agent.outputs.spool import format as fmt
from agent.outputs.spool import layout
from agent.outputs.spool.layout import Place

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Batch:
    """Records of one epoch, in order; numbers that are missing between them were lost."""

    epoch: str
    records: list[fmt.Record]


class Reader:
    """Reads records behind a place, and more as they are written.

    ``after`` is the last place that the reader's owner has; ``None``, or an epoch that this
    spool does not hold any more, starts at the oldest record held.
    """

    def __init__(self, folder: Path, after: Place | None = None) -> None:
        self._folder = folder
        held = layout.epochs(folder)
        known = after is not None and after.epoch in held
        self._epoch: str | None = after.epoch if known and after is not None else next(iter(held), None)
        self._seq = after.seq if known and after is not None else 0
        self._first, self._fd, self._offset = 0, -1, 0

    @property
    def place(self) -> Place | None:
        """The place read up to; ``None`` as long as the spool was never written."""
        return None if self._epoch is None else Place(self._epoch, self._seq)

    def read(self, max_records: int, max_bytes: int = 4 * 1024 * 1024) -> Batch | None:
        """Return the next records, ``None`` if there are none yet. Raises OSError."""
        records: list[fmt.Record] = []
        room = max_bytes
        while len(records) < max_records and room > 0:
            found = self._some(max_records - len(records), room)
            records += found
            room -= sum(len(record.payload) for record in found)
            if not found and (records or not self._advance()):
                break
        if not records or self._epoch is None:
            return None
        return Batch(self._epoch, records)

    def _some(self, max_records: int, max_bytes: int) -> list[fmt.Record]:
        """Return new records from the open segment, at least one if there is a whole one."""
        size = _CHUNK
        while self._fd >= 0 and (data := os.pread(self._fd, size, self._offset)):
            before = self._offset
            found = self._take(data, max_records, max_bytes)
            if found:
                return found
            if self._offset == before:  # longer than what was read, or not whole
                if len(data) < size or size > fmt.MAX_PAYLOAD + fmt.HEADER:
                    break
                size *= 4
        return []

    def _take(self, data: bytes, max_records: int, max_bytes: int) -> list[fmt.Record]:
        found: list[fmt.Record] = []
        start = self._offset
        for record, end in fmt.scan(data, skip_damage=False):
            self._offset = start + end
            if record.seq > self._seq:
                self._seq = record.seq
                found.append(record)
                max_bytes -= len(record.payload)
            if len(found) >= max_records or max_bytes <= 0:
                break
        return found

    def _advance(self) -> bool:
        """Go past damage, to the next segment or epoch; ``False`` if there is nothing further yet."""
        if self._epoch is None:
            self._epoch = next(iter(layout.epochs(self._folder)), None)
            return self._epoch is not None and self._advance()
        # What follows is looked up before the end is: a record written in between is not missed.
        held = layout.epochs(self._folder)
        later_epochs = [each for each in held if _after(each, self._epoch)]
        if self._epoch not in held and not later_epochs:
            later_epochs = held  # the spool was emptied by hand and began anew
        following = [first for first in layout.segments(self._folder, self._epoch) if first > self._first]
        if self._fd >= 0 and (following or later_epochs) and self._beyond_damage():
            return True
        if following:
            return self._open(_containing(following, self._seq + 1))
        if later_epochs:
            self._leave()
            self._epoch, self._seq, self._first = later_epochs[0], 0, 0
            return True
        return False

    def _beyond_damage(self) -> bool:
        """Step to the next whole record of a segment that is not written any more."""
        rest = os.pread(self._fd, os.fstat(self._fd).st_size, self._offset)
        ahead = next(fmt.scan(rest, skip_damage=True), None)
        if ahead is None:
            self._offset += len(rest)
            return False
        record, end = ahead
        self._offset += end - fmt.HEADER - len(record.payload)
        return True

    def _open(self, first: int) -> bool:
        self._leave()
        self._first, self._offset = first, 0
        path = layout.segment_path(self._folder, self._epoch or "", first)
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # deleted since it was listed: go on behind it
            return True
        return True

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Let the files go."""
        self._leave()


def _after(epoch: str, other: str) -> bool:
    return layout.epoch_order(epoch) > layout.epoch_order(other)


def _containing(firsts: list[int], seq: int) -> int:
    """Return the segment that may hold ``seq``: the last that does not begin behind it, else the first."""
    return max((first for first in firsts if first <= seq), default=firsts[0])
