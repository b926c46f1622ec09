"""Stop the process of the alert where it is, until it is let go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders import target, tree
from responders.shape import TTL, Description, Failed, Json, Parameter, Plan

if TYPE_CHECKING:
    from responders.shape import Context

STOP_SECONDS = 2.0

DESCRIPTION = Description(
    name="suspend_process",
    summary="Stop the process that raised the alert, so that it can be looked at, until undo lets it go on.",
    details=(
        "Holds the process as kill_process does and stops it (SIGSTOP), with tree its descendants too. "
        "Undo lets those go on that were running before. The kernel lets another process of the same user, "
        "or of root, continue it: this keeps a program from running, not an attacker who has more of them."
    ),
    parameters=(
        Parameter("tree", "bool", default=False, what="Whether its descendants are stopped as well"),
        Parameter(
            TTL,
            "float",
            3600.0,
            "Seconds after which the host lets it go on by itself; 0 for never",
            least=0.0,
            most=30 * 86400.0,
        ),
        target.AFTER_EXEC,
    ),
    needs=target.NEEDS,
    privileges=("CAP_KILL", "CAP_SYS_PTRACE"),
    destructive=False,
    reversible=True,
    continues=True,
    example=(
        "- action: Suspend the process\n"
        "  actionner: suspend_process\n"
        "  parameters:\n"
        "    tree: true\n"
        "    ttl: 600\n"
    ),
)


def plan(context: Context) -> Plan:  # noqa: D103 - Responder.plan
    held = target.hold(context)
    if held is None:
        return Plan(
            does=("nothing: the process has ended",),
            before={"processes": []},
            already={"already_gone": True, "suspended": []},
        )
    whole = " and its descendants" if context.parameters["tree"] else ""
    return Plan(
        does=(f"stop process {held.process.pid} ({held.process.exe!a}){whole}",),
        before={"processes": [target.facts(held.process, context.system)]},
        held=[held],
    )


def do(plan: Plan, context: Context) -> Json:  # noqa: D103 - Responder.do
    if context.parameters["tree"]:
        plan.held.extend(tree.freeze(plan.held[0], context))
    if not tree.stop(plan.held, context.system, STOP_SECONDS):
        tree.resume(plan.held)
        raise Failed(f"did not stop within {STOP_SECONDS:g} s (it may be in an uninterruptible system call)")
    return {"already_gone": False, "suspended": [one.process.pid for one in plan.held]}


def verify(before: Json, context: Context) -> Json:  # noqa: D103 - Responder.verify
    if context.parameters["tree"] and not before.get("whole"):
        raise Failed("interrupted while it stopped the descendants")
    alive = [one["pid"] for one in before["processes"] if target.alive(one, context.system)]
    if running := [pid for pid in alive if not context.system.stopped(pid)]:
        raise Failed(f"interrupted before the end: still running: {', '.join(map(str, running))}")
    return {"already_gone": not alive, "suspended": alive, "verified_later": True}


def undo(before: Json, context: Context) -> Json:
    """Let those go on that were running before it. Returns their pids."""
    held = [target.hold_recorded(one, context.system) for one in before["processes"]]
    resumed = []
    for one, recorded in zip(held, before["processes"]):  # children last, as they were stopped
        if one is None:
            continue
        if recorded["state"] not in tree.STOPPED and tree.go_on(one):
            resumed.append(one.process.pid)
        one.close()
    return {"resumed": resumed}
