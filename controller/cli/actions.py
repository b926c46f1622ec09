"""``tercel actions``."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import options
from controller.cli.output import print_json, table
from controller.clock import iso
from controller.home import Home
from controller.store import Store, actions, alerts

if TYPE_CHECKING:
    from controller.store.actions import Action
    from controller.store.alerts import StoredAlert


def command(
    host: Annotated[str | None, typer.Option(help="Only on this host.", show_default=False)] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="The newest so many.", min=1)] = 100,
    *,
    json: options.Json = False,
) -> None:
    """Show actions, oldest first, with the milliseconds from one step to the next."""
    with Store.open(Home.open()) as store, store.read() as tx:
        found = [
            (action, alerts.get(tx, action.decided.host, action.decided.epoch, action.decided.seq))
            for action in actions.latest(tx, host=host, state=state, limit=limit)
        ]
    if json:
        print_json([to_json(action, alert) for action, alert in found])
        return
    columns = ("id", "when", "host", "rule", "responder", "target", "state", "timeline", "why")
    table(columns, [_row(action, alert) for action, alert in found])


def timeline(action: Action, alert: StoredAlert | None) -> list[tuple[str, int]]:
    """Return what happened and when (nanoseconds since 1970), from the event to the action's end.

    Those up to ``spooled``, and ``started`` and ``ended``, are by the host's clock, the others by ours.
    """
    steps: list[tuple[str, int | None]] = []
    if alert is not None:
        record = alert.record
        steps += [("event", record.event_ns), ("matched", record.matched_ns), ("spooled", record.spooled_ns)]
        steps += [("received", record.received_ns)]
    for change in action.transitions:
        if change.state in {"done", "failed", "refused"} and action.result:
            steps += [("started", action.result.get("started_ns")), ("ended", action.result.get("ended_ns"))]
        steps.append((change.state, change.at_ns))
    return [(name, at_ns) for name, at_ns in steps if at_ns is not None]


def _row(action: Action, alert: StoredAlert | None) -> tuple[object, ...]:
    decided = action.decided
    target = decided.target.get("ns_pid") or decided.target.get("pid")
    state = f"{action.state} (shadow)" if decided.mode == "shadow" else action.state
    why = action.transitions[-1].why
    when = iso(action.transitions[0].at_ns)
    rule = f"{decided.alert_rule} > {decided.rule}"
    return (
        action.id,
        when,
        decided.host,
        rule,
        decided.responder,
        f"pid {target}",
        state,
        _shown(timeline(action, alert)),
        why,
    )


def _shown(steps: list[tuple[str, int]]) -> str:
    """Return ``event > spooled +1.2 > …``: milliseconds since the step before."""
    parts = [steps[0][0]] if steps else []
    for (_, before), (name, at_ns) in pairwise(steps):
        parts.append(f"{name} {(at_ns - before) / 1e6:+.1f}")
    total = f" = {(steps[-1][1] - steps[0][1]) / 1e6:.1f} ms" if len(steps) > 1 else ""
    return " > ".join(parts) + total


def to_json(action: Action, alert: StoredAlert | None) -> dict[str, Any]:
    """Return all that is known of an action."""
    return {
        **vars(action.decided),
        "id": action.id,
        "state": action.state,
        "result": action.result,
        "transitions": [vars(change) for change in action.transitions],
        "timeline": [{"step": name, "at_ns": at_ns} for name, at_ns in timeline(action, alert)],
    }
