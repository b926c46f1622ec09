"""Reader of a BPF ring buffer: maps it and hands out its records in order.

Layout: ``kernel/bpf/ringbuf.c``. One page with the consumer's position, one with the
producer's, then the data. The kernel offers the data twice in a row, so that no record
wraps; it is mapped once here, since mapped pages count as the daemon's memory.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BUSY, _DISCARD = 1 << 31, 1 << 30
_HEAD = 8
_PAGE = mmap.PAGESIZE


class Ring:
    """The consumer's end. ``size``: bytes of data, a power of two times the page size."""

    def __init__(self, fd: int, size: int) -> None:
        self._size = size
        self._own = mmap.mmap(fd, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
        self._shared = mmap.mmap(fd, _PAGE + size, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE)
        self._consumer = memoryview(self._own).cast("Q")
        self._producer = memoryview(self._shared)[:8].cast("Q")
        self._data = memoryview(self._shared)[_PAGE:]

    def read(self, handle: Callable[[bytes], None], limit: int | None = None) -> int:
        """Call ``handle`` with a copy of each record that is there; return their number.

        At most ``limit`` records. What ``handle`` raises goes through; its record counts as read.
        """
        head = struct.Struct("<I").unpack_from
        consumer, producer, data, mask = self._consumer, self._producer, self._data, self._size - 1
        position, count = consumer[0], 0
        while position < producer[0] and (limit is None or count < limit):
            offset = position & mask
            length = head(data, offset)[0]
            if length & _BUSY:
                break
            size = length & ~_DISCARD
            record = None if length & _DISCARD else self._copy(offset + _HEAD, size)
            position += (size + _HEAD + 7) & ~7
            consumer[0] = position
            if record is not None:
                count += 1
                handle(record)
        return count

    def _copy(self, offset: int, size: int) -> bytes:
        end = offset + size
        if end <= self._size:
            return bytes(self._data[offset:end])
        return bytes(self._data[offset:]) + bytes(self._data[max(0, offset - self._size) : end - self._size])

    def backlog(self) -> int:
        """Bytes that wait to be read."""
        return int(self._producer[0] - self._consumer[0])

    def close(self) -> None:
        """Unmap."""
        for view in (self._consumer, self._producer, self._data):
            view.release()
        self._own.close()
        self._shared.close()
