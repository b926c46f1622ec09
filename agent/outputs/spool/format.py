"""How records lie in a segment. Pure: bytes in, bytes out.

    | 4 bytes mark | u32 length | u64 seq | u8 priority | u32 crc32 | payload |

big-endian; the checksum covers length, seq, priority and payload. The mark begins with a byte that
UTF-8 never contains, so that a reader finds the next record behind a damaged one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MARK = b"\xf5TR\n"
MAX_PAYLOAD = 8 * 1024 * 1024
"""Largest record, in bytes."""

_COVERED = struct.Struct(">IQB")
_CRC = struct.Struct(">I")
HEADER = len(MARK) + _COVERED.size + _CRC.size


@dataclass(frozen=True)
class Record:
    """One record as it lies in a segment."""

    seq: int
    priority: int
    """Index into ``agent.alert.PRIORITIES``: 0 is the most urgent."""
    payload: bytes
    """JSON text in UTF-8, without a newline."""


def encode(record: Record) -> bytes:
    """Return the bytes of ``record``."""
    covered = _COVERED.pack(len(record.payload), record.seq, record.priority)
    crc = zlib.crc32(record.payload, zlib.crc32(covered))
    return MARK + covered + _CRC.pack(crc) + record.payload


def decode(data: bytes | memoryview, offset: int) -> tuple[Record, int] | None:
    """Return the record at ``offset`` and the offset behind it; ``None`` if there is no whole one."""
    start = offset + HEADER
    if len(data) < start or bytes(data[offset : offset + len(MARK)]) != MARK:
        return None
    covered = data[offset + len(MARK) : offset + len(MARK) + _COVERED.size]
    size, seq, priority = _COVERED.unpack(covered)
    (crc,) = _CRC.unpack_from(data, start - _CRC.size)
    end = start + size
    if size > MAX_PAYLOAD or len(data) < end:
        return None
    payload = bytes(data[start:end])
    if zlib.crc32(payload, zlib.crc32(covered)) != crc:
        return None
    return Record(seq, priority, payload), end


def scan(data: bytes, offset: int = 0, *, skip_damage: bool) -> Iterator[tuple[Record, int]]:
    """Yield each whole record from ``offset`` on with the offset behind it.

    At bytes that are no whole record it stops; with ``skip_damage`` it goes on at the next
    mark that begins one.
    """
    while True:
        found = decode(data, offset)
        if found is not None:
            offset = found[1]
            yield found
            continue
        offset = data.find(MARK, offset + 1) if skip_damage else -1
        if offset < 0:
            return
