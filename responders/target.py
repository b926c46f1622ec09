"""The process that an alert is about: found, held and identified, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from responders.shape import Failed, Json, Parameter, Refused
from responders.system import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders.shape import Context
    from responders.system import Held, System

NEEDS = ("ns_pid", "start_ns")
AFTER_EXEC = Parameter(
    "after_exec",
    "str",
    "refuse",
    "What to do if the process has replaced its program (execve) since the alert: it is the same process, "
    "but no longer the same program",
    choices=("refuse", "act"),
)

_DELETED = " (deleted)"


def hold(context: Context) -> Held | None:
    """Hold the process of the alert; ``None`` if it has ended. Raises Refused if its pid is another's by now.

    The pid is turned into a pidfd first and identified then: what is identified is what is held.
    """
    pid, ticks = identity(context.target, context.system)
    if context.target.get("boot_id", context.system.boot_id) != context.system.boot_id:
        return None  # the host was started anew since
    held = context.system.hold(pid)
    if held is None:
        return None
    try:
        _same(held.process, ticks, context)
        _unprotected(held.process, context)
    except Exception:
        held.close()
        raise
    return held


def identity(target: Mapping[str, Any], system: System) -> tuple[int, int]:
    """Return the pid in the agent's namespace and the start time in clock ticks. Raises Refused."""
    pid, start = target.get("ns_pid"), target.get("start_ns")
    if type(pid) is not int or pid < 1:
        raise Refused(f"the alert names no process of this host's pid namespace (ns_pid is {_shown(pid)})")
    if type(start) is not int or start < 0:
        raise Refused(f"the alert does not say when its process started (start_ns is {_shown(start)})")
    return pid, start * system.ticks_per_second // 1_000_000_000


def facts(process: Process, system: System) -> Json:
    """Return what identifies ``process``, and how it is, for the journal."""
    return {
        "pid": process.pid,
        "start_ticks": process.start_ticks,
        "boot_id": system.boot_id,
        "exe": process.exe,
        "name": process.name,
        "state": process.state,
    }


def hold_recorded(recorded: Mapping[str, Any], system: System) -> Held | None:
    """Hold the process of a journal entry; ``None`` if it has ended. Raises Failed if it cannot be known."""
    if recorded.get("boot_id") != system.boot_id:
        return None
    held = system.hold(int(recorded["pid"]))
    if held is not None and held.process.start_ticks != recorded["start_ticks"]:
        held.close()
        return None
    return held


def alive(recorded: Mapping[str, Any], system: System) -> bool:
    """Whether the process of a journal entry still lives. Raises Failed if it cannot be known."""
    held = hold_recorded(recorded, system)
    if held is None:
        return False
    held.close()
    return True


def await_end(held: list[Held], seconds: float) -> list[Process]:
    """Wait until all of them have ended, at most ``seconds`` each; return those that have not."""
    return [one.process for one in held if not one.gone(seconds)]


def still_there(processes: list[Process]) -> Failed:
    """Return the error for processes that outlived what should have ended them."""
    return Failed("still there: " + ", ".join(f"process {one.pid} (state {one.state})" for one in processes))


def _unprotected(process: Process, context: Context) -> None:
    if (reason := context.guard(process)) is not None:
        raise Refused(f"process {process.pid} is protected: {reason}")


def _same(process: Process, ticks: int, context: Context) -> None:
    if process.start_ticks != ticks:
        raise Refused(
            f"pid {process.pid} is another process by now: it started at tick {process.start_ticks}, "
            f"the one of the alert at {ticks}"
        )
    if context.parameters.get("after_exec") == "refuse" and _replaced(process, context.target):
        raise Refused(
            f"process {process.pid} has executed another program since the alert "
            f"({_shown(context.target.get('exe'))}, now {_shown(process.exe)}): "
            "the parameter after_exec: act would act on it all the same"
        )


def _replaced(process: Process, target: Mapping[str, Any]) -> bool:
    """Whether the executable is another one: neither the inode nor the path is the same.

    Either is enough: overlayfs shows other inode numbers to ``stat`` than the kernel has.
    """
    inode, path = target.get("exe_ino"), target.get("exe")
    if inode is None:
        return False
    return process.exe_ino != inode and _plain(process.exe) != _plain(path)


def _plain(path: str | None) -> str | None:
    return None if path is None else path.removesuffix(_DELETED)


def _shown(value: Any) -> str:
    return ascii(value)[:120]
