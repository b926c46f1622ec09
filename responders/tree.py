"""A process and its descendants, stopped so that they cannot become more."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from responders.shape import Refused
from responders.target import facts

if TYPE_CHECKING:
    from responders.shape import Context
    from responders.system import Held, System

STOPPED = "Tt"
"""States of a process that is stopped, by a signal or a tracer."""
STOP_SECONDS = 0.25
"""How long a process may take to stop: one in an uninterruptible system call takes longer, and is passed."""


def freeze(root: Held, context: Context) -> list[Held]:
    """Stop ``root``, then its descendants, parents first; return the descendants, held, in that order.

    A process is searched for children when it has stopped: from then on it has no new ones. Each level
    is noted before it is stopped. If a descendant is protected, all that ran go on and Refused is raised.
    """
    found: list[Held] = []
    level = [root]
    try:
        while level:
            context.note({"processes": [facts(one.process, context.system) for one in (root, *found)]})
            stop(level, context.system)
            level = _children({one.process.pid for one in level}, context, found)
        context.note({"whole": True})
    except Exception:
        resume([root, *found])
        for one in found:
            one.close()
        raise
    return found


def resume(held: list[Held]) -> None:
    """Let those run again that were running when they were taken hold of."""
    for one in held:
        if one.process.state not in STOPPED:
            go_on(one)


def go_on(held: Held) -> bool:
    """Let a stopped process run again; ``False`` if it has ended."""
    return held.signal(signal.SIGCONT)


def stop(level: list[Held], system: System, seconds: float = STOP_SECONDS) -> bool:
    """Stop the processes; whether they have stopped within ``seconds``."""
    for one in level:
        one.signal(signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while not all(system.stopped(one.process.pid) for one in level):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _children(parents: set[int], context: Context, found: list[Held]) -> list[Held]:
    """Hold the children of ``parents``; they are added to ``found`` and returned."""
    children = []
    {one.process.pid for one in found}
    for pid in [child for child, parent in context.system.parents().items() if parent in parents]:
        held = context.system.hold(pid)
        if held is None:
            continue
        if held.process.ppid not in parents:  # it ended, and another has its pid
            held.close()
            continue
        found.append(held)
        children.append(held)
        _admit(held, context)
    return children


def _admit(child: Held, context: Context) -> None:
    if (reason := context.guard(child.process)) is not None:
        raise Refused(f"its descendant, process {child.process.pid}, is protected: {reason}")
