"""Kill the process of the alert, or it and everything that it started."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from responders import target, tree
from responders.shape import Description, Failed, Json, Parameter, Plan

if TYPE_CHECKING:
    from responders.shape import Context
    from responders.system import Held

_SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGABRT")

DESCRIPTION = Description(
    name="kill_process",
    summary="Kill the process that raised the alert.",
    details=(
        "Holds the process by a pidfd, then checks its start time and executable, so that a pid that the "
        "kernel has given to another process is refused and untouched. With tree, its descendants are "
        "stopped first, parents before children so that none can start another, and then killed, children "
        "before parents. Descendants that were handed over to init earlier are not found. Waits until all "
        "have ended. A process that has ended already is a result, not an error."
    ),
    parameters=(
        Parameter("signal", "str", "SIGKILL", "The signal that is sent", choices=_SIGNALS),
        Parameter("tree", "bool", default=False, what="Whether its descendants are killed as well"),
        Parameter("timeout", "float", 5.0, "Seconds to wait for the end", least=0.0, most=60.0),
        target.AFTER_EXEC,
    ),
    needs=target.NEEDS,
    privileges=("CAP_KILL", "CAP_SYS_PTRACE"),
    destructive=True,
    reversible=False,
    continues=False,
    example=(
        "- action: Kill the process\n"
        "  actionner: kill_process\n"
        "  parameters:\n"
        "    signal: SIGKILL\n"
        "    tree: true\n"
    ),
)


def plan(context: Context) -> Plan:
    """Hold the process and say what would be done. Raises Refused or Failed."""
    held = target.hold(context)
    if held is None:
        pid, _ = target.identity(context.target, context.system)
        return Plan(
            does=(f"nothing: process {pid} has ended",),
            before={"processes": []},
            already={"already_gone": True, "killed": []},
        )
    whole = " and its descendants" if context.parameters["tree"] else ""
    number, process = context.parameters["signal"], held.process
    return Plan(
        does=(f"send {number} to process {process.pid} ({process.exe!a}){whole}",),
        before={"processes": [target.facts(process, context.system)], "tree": context.parameters["tree"]},
        held=[held],
    )


def do(plan: Plan, context: Context) -> Json:  # noqa: D103 - Responder.do
    root = plan.held[0]
    if context.parameters["tree"]:
        plan.held.extend(tree.freeze(root, context))
    killed = _kill(plan.held, context)
    if still := target.await_end(plan.held, context.parameters["timeout"]):
        raise target.still_there(still)
    return {"already_gone": not killed, "killed": killed, "signal": context.parameters["signal"]}


def verify(before: Json, context: Context) -> Json:  # noqa: D103 - Responder.verify
    if still := [one for one in before["processes"] if target.alive(one, context.system)]:
        stopped = [one["pid"] for one in still if context.system.stopped(one["pid"])]
        frozen = f"; left stopped: {', '.join(map(str, stopped))}" if stopped else ""
        pids = ", ".join(str(one["pid"]) for one in still)
        raise Failed(f"interrupted before the end: still there: {pids}{frozen}")
    return {"killed": [one["pid"] for one in before["processes"]], "verified_later": True}


def _kill(held: list[Held], context: Context) -> list[int]:
    """Signal children before parents; return the pids that were there to receive it."""
    number = getattr(signal, context.parameters["signal"])
    killed = [one.process.pid for one in reversed(held) if one.signal(number)]
    if context.parameters["tree"] and number != signal.SIGKILL:
        for one in held:
            one.signal(signal.SIGCONT)  # a stopped process does not act on the signal before it goes on
    return killed
