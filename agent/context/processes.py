"""The processes that were there before capture began, from ``/proc``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_SECOND = 1_000_000_000
_ARGUMENTS = 4095
_START = 19
"""Index of the start time behind the name in ``/proc/<pid>/stat``: field 22, proc(5)."""


class Process(NamedTuple):
    """What a process was when it was looked at."""

    start_ticks: int
    comm: bytes
    exe: bytes | None
    args: bytes
    """Each ended by NUL."""


class Processes:
    """Processes by their number in the agent's pid namespace."""

    def __init__(self) -> None:
        self._known: dict[int, Process] = {}

    def scan(self, proc: str = "/proc") -> None:
        """Look at all processes. One that ends meanwhile is left out."""
        self._known = dict(_read_all(proc))

    def find(self, ns_pid: int, start_ns: int) -> Process | None:
        """Return the process with this number if it began at this time, nanoseconds since boot."""
        process = self._known.get(ns_pid)
        if process is None or abs(process.start_ticks - start_ns * _TICKS // _SECOND) > 1:
            return None
        return process


def _read_all(proc: str) -> Iterable[tuple[int, Process]]:
    for name in os.listdir(proc):  # noqa: PTH208 - names only, for every process there is
        if name.isdigit():
            process = _read(f"{proc}/{name}")
            if process is not None:
                yield int(name), process


def _read(folder: str) -> Process | None:
    try:
        with open(f"{folder}/stat", "rb") as file:  # noqa: PTH123 - short files of the kernel
            stat = file.read()
        with open(f"{folder}/cmdline", "rb") as file:  # noqa: PTH123
            args = file.read(_ARGUMENTS)
    except OSError:  # it ended
        return None
    comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
    ticks = int(stat[stat.rindex(b")") + 2 :].split()[_START])
    return Process(ticks, comm, _executable(folder), args)


def _executable(folder: str) -> bytes | None:
    try:
        path = os.readlink(os.fsencode(f"{folder}/exe"))  # noqa: PTH115 - any bytes
    except OSError:  # a kernel thread has none
        return None
    return path.removesuffix(b" (deleted)")
