"""The maps that outlive a reload: the ring, the counters, and what is known of the processes."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from agent.kernel import bpf, layout

_SCRATCH = layout.HEADER.size + layout.TEXT + 16384 + 4096
"""Bytes for one CPU: the record under construction, and what the probe keeps behind it."""
_PROCESSES = 65536
_BIG_PROCESSES = 16384


class Maps:
    """All shared maps. Closing them ends capture."""

    def __init__(self, ring_bytes: int) -> None:
        cpus = _possible_cpus()
        self._cpus = cpus
        self.fds: dict[str, int] = {}
        self._add("events", bpf.RINGBUF, 0, 0, ring_bytes)
        self._add("scratches", bpf.ARRAY, 4, _SCRATCH, cpus)
        self._add("control", bpf.ARRAY, 4, 8, 1)
        self._add("drops", bpf.PERCPU_ARRAY, 4, 8, 8)
        self._add("claims", bpf.HASH, 4, 4, 65536, bpf.NO_PREALLOC)
        self._add("idents", bpf.HASH, 4, layout.SMALL, _PROCESSES, bpf.NO_PREALLOC)
        self._add("bigs", bpf.HASH, 4, layout.BIG_SIZE, _BIG_PROCESSES, bpf.NO_PREALLOC)

    def _add(  # noqa: PLR0913, PLR0917 - as bpf(2) has them
        self, name: str, kind: int, key: int, value: int, entries: int, flags: int = 0
    ) -> None:
        try:
            self.fds[name] = bpf.create_map(
                kind, key, value, entries, flags=flags, name=f"tercel_{name}"[:15]
            )
        except Exception:
            self.close()
            raise

    def set_control(self, generation: int, phase: int) -> None:
        """Say which generation emits, and the phase of a change; see ``probe/generation.c``."""
        bpf.update(self.fds["control"], b"\0\0\0\0", struct.pack("<II", generation, phase))

    def drops(self) -> dict[str, int]:
        """Return the probe's counters by reason."""
        found = {}
        for index, reason in enumerate(layout.DROP_REASONS):
            value = bpf.lookup(self.fds["drops"], struct.pack("<I", index), 8 * self._cpus)
            found[reason] = sum(struct.unpack(f"<{self._cpus}Q", value or bytes(8 * self._cpus)))
        return found

    def close(self) -> None:
        """Give the maps back."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}


def _possible_cpus() -> int:
    """Count the CPUs that the kernel has per-CPU memory for."""
    last = Path("/sys/devices/system/cpu/possible").read_text().strip().replace(",", "-").split("-")[-1]
    return int(last) + 1
