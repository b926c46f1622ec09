"""The spool: alerts on disk, in order, until the controller has acknowledged them.

A spool is a folder::

    acked                            the last place acknowledged: {"epoch": …, "seq": …}
    acked.lock, writer.lock          locks: one acknowledgement at a time, one writer ever
    000003-5f0c9a41d2b7/             an epoch: the life of one writer
        0000000000000001.seg         a segment: records from this sequence number on
        0000000000004711.seg

Every writer begins an epoch of its own and counts from 1, so that no pair of epoch and
sequence number can ever name two alerts, whatever a crash, a power cut, a restored backup
or a damaged file left behind. Places are ordered by epoch, then by sequence number.

**Loss.** A number whose record could not be written, or was given up to make room, is a gap.
The writer counts both (:attr:`Writer.losses`).

**Sync policy.** A record is written with ``write(2)`` before ``append`` returns: it survives
the death of the daemon (``kill -9``) at once. It is made durable against a power cut by
:meth:`Writer.sync`, which the daemon calls every second. Acknowledgements are synced before
they are confirmed.
"""

from __future__ import annotations

from agent.outputs.spool.format import Record
from agent.outputs.spool.layout import Place, SpoolError, acknowledge, acknowledged, describe, last_seq
from agent.outputs.spool.reader import Batch, Reader
from agent.outputs.spool.writer import Losses, Writer

__all__ = [
    "Batch",
    "Losses",
    "Place",
    "Reader",
    "Record",
    "SpoolError",
    "Writer",
    "acknowledge",
    "acknowledged",
    "describe",
    "last_seq",
]
