"""The host as responders see it: processes, by file descriptor and not by number.

A pid is a name that the kernel gives away again. A *held* process is a pidfd: a signal
through it reaches that process or nothing. The facts of a held process are read after the
pidfd was opened and believed only if the process is still alive after that, so they
are that process's facts.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from responders.shape import Failed

KERNEL_THREAD = 0x00200000
"""``PF_KTHREAD`` of include/linux/sched.h, in field 9 of ``/proc/<pid>/stat``."""


@dataclass(frozen=True)
class Process:
    """Facts of a process, from ``/proc/<pid>`` (proc_pid_stat(5))."""

    pid: int
    """In the agent's own pid namespace."""
    ppid: int
    start_ticks: int
    """Start time since boot in clock ticks: field 22."""
    state: str = "S"
    """Field 3, one letter."""
    flags: int = 0
    """Field 9."""
    name: str = ""
    """Field 2, which the process can set to anything."""
    uid: int = 0
    """Real user id."""
    exe: str | None = None
    """Path of the executable; ``None`` for kernel threads and where it cannot be read."""
    exe_dev: int | None = None
    exe_ino: int | None = None
    own_mounts: bool = True
    """Whether it is in the agent's mount namespace, so that ``exe`` is a path of the host."""

    @property
    def is_kernel_thread(self) -> bool:
        """Whether it is a thread of the kernel."""
        return bool(self.flags & KERNEL_THREAD)


class Held(Protocol):
    """A process that is held: whatever becomes of its pid, this stays the same process."""

    @property
    def process(self) -> Process:
        """Its facts when it was taken hold of."""

    def signal(self, number: int) -> bool:
        """Send it a signal; ``False`` if it is gone."""

    def gone(self, seconds: float = 0.0) -> bool:
        """Wait up to ``seconds`` for its end; ``True`` if it has ended (a zombie has)."""

    def close(self) -> None:
        """Let go."""


class System(Protocol):
    """What a responder may ask of the host."""

    ticks_per_second: int
    boot_id: str
    """Which start of the kernel this is: a pid and a start time may come again after another."""

    def hold(self, pid: int) -> Held | None:
        """Hold the process that has ``pid`` now; ``None`` if none has or it has ended. Raises Failed."""

    def facts(self, pid: int) -> Process | None:
        """Facts of the process that has ``pid`` now, unheld: for looking, not for acting."""

    def parents(self) -> dict[int, int]:
        """Return the parent's pid for the pid of every process."""

    def childless(self, pid: int) -> bool:
        """Whether it surely has no children; ``False`` where that cannot be told cheaply."""

    def stopped(self, pid: int) -> bool:
        """Whether no thread of it runs: each is stopped or has ended."""

    def read(self, pid: int, name: str, most: int) -> bytes | None:
        """Return ``/proc/<pid>/<name>``, at most so many bytes; ``None`` if it cannot be read. May block."""

    def links(self, pid: int, name: str) -> dict[str, str]:
        """Return what the links in ``/proc/<pid>/<name>`` lead to."""

    def open_program(self, pid: int) -> int | None:
        """Open the executable that ``pid`` runs, also if its file was deleted."""


class Linux:
    """The host that runs this."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self.ticks_per_second = os.sysconf("SC_CLK_TCK")
        self.boot_id = (proc / "sys/kernel/random/boot_id").read_text().strip()
        self._mounts = _identity(proc / "self/ns/mnt")

    def hold(self, pid: int) -> Held | None:
        """Hold the process that has ``pid`` now; ``None`` if none has or it has ended. Raises Failed."""
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        except OSError as error:
            raise Failed(f"process {pid} cannot be held: {error.strerror}") from None
        process = self.facts(pid)
        if process is None or _ended(descriptor, 0):
            os.close(descriptor)
            return None
        return _Pidfd(descriptor, process)

    def facts(self, pid: int) -> Process | None:
        """Facts of the process that has ``pid`` now, unheld: for looking, not for acting."""
        folder = self._proc / str(pid)
        try:
            name, rest = _split_stat((folder / "stat").read_bytes())
            uid = _real_uid((folder / "status").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            return None
        dev, ino = _identity(folder / "exe") or (None, None)
        return Process(
            pid=pid,
            state=rest[0],
            ppid=int(rest[1]),
            flags=int(rest[6]),
            start_ticks=int(rest[19]),
            name=name,
            uid=uid,
            exe=_link(folder / "exe"),
            exe_dev=dev,
            exe_ino=ino,
            own_mounts=self._mounts is not None and _identity(folder / "ns/mnt") == self._mounts,
        )

    def parents(self) -> dict[int, int]:
        """Return the parent's pid for the pid of every process."""
        # Every action asks this: plain calls, since Path costs ten times as much.
        proc, found = os.fspath(self._proc), {}
        for name in os.listdir(proc):  # noqa: PTH208
            if name.isdigit():
                try:
                    with open(f"{proc}/{name}/stat", "rb", buffering=0) as file:  # noqa: PTH123
                        text = file.read(4096)
                except (FileNotFoundError, ProcessLookupError):
                    continue
                found[int(name)] = int(text[text.rindex(b")") + 4 :].split(b" ", 1)[0])
        return found

    def childless(self, pid: int) -> bool:
        """Whether it surely has no children; ``False`` where that cannot be told cheaply."""
        # proc(5): the list may lack some while others end, but it is empty only if there are none.
        try:
            threads = list((self._proc / str(pid) / "task").iterdir())
            return bool(threads) and not any((one / "children").read_bytes() for one in threads)
        except OSError:
            return False  # a kernel without CONFIG_PROC_CHILDREN, or a thread that has just ended

    def stopped(self, pid: int) -> bool:
        """Whether no thread of it runs: each is stopped or has ended."""
        try:
            threads = list((self._proc / str(pid) / "task").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            return True
        return all(_thread_state(thread) in "TtZX" for thread in threads)

    def read(self, pid: int, name: str, most: int) -> bytes | None:
        """Return ``/proc/<pid>/<name>``, at most so many bytes; ``None`` if it cannot be read. May block."""
        with suppress(OSError), (self._proc / str(pid) / name).open("rb") as file:
            return file.read(most)
        return None

    def links(self, pid: int, name: str) -> dict[str, str]:
        """Return what the links in ``/proc/<pid>/<name>`` lead to."""
        with suppress(OSError):
            return {one.name: _link(one) or "" for one in (self._proc / str(pid) / name).iterdir()}
        return {}

    def open_program(self, pid: int) -> int | None:
        """Open the executable that ``pid`` runs, also if its file was deleted."""
        with suppress(OSError):
            return os.open(self._proc / str(pid) / "exe", os.O_RDONLY | os.O_CLOEXEC)
        return None


class _Pidfd:
    def __init__(self, descriptor: int, process: Process) -> None:
        self._descriptor = descriptor
        self.process = process

    def signal(self, number: int) -> bool:
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except ProcessLookupError:
            return False
        except OSError as error:
            raise Failed(f"process {self.process.pid} cannot be signalled: {error.strerror}") from None
        return True

    def gone(self, seconds: float = 0.0) -> bool:
        return _ended(self._descriptor, seconds)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _ended(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _thread_state(folder: Path) -> str:
    try:
        return _split_stat((folder / "stat").read_bytes())[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _split_stat(text: bytes) -> tuple[str, list[str]]:
    """Return field 2, and the fields from 3 on. The name may hold anything, parentheses too."""
    start, end = text.index(b"("), text.rindex(b")")
    return text[start + 1 : end].decode(errors="replace"), text[end + 2 :].decode().split()


def _real_uid(status: bytes) -> int:
    line = next(line for line in status.splitlines() if line.startswith(b"Uid:"))
    return int(line.split()[1])


def _link(path: Path) -> str | None:
    with suppress(OSError):
        return os.readlink(os.fsencode(path)).decode(errors="backslashreplace")  # noqa: PTH115 - as bytes
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
