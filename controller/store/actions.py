"""Actions: what a playbook wanted, and everything that became of it.

The states and the ways between them are ``CHANGES``. An action is planned once per
idempotency key; every change of state leaves a transition with its time, author and reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from controller.errors import StoreError
from controller.store.models import ActionRow, TransitionRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CHANGES: dict[str, frozenset[str]] = {
    "planned": frozenset({"sent", "failed", "refused", "expired"}),
    "sent": frozenset({"running", "done", "failed", "refused", "expired"}),
    "running": frozenset({"done", "failed", "refused"}),
    "done": frozenset({"undone"}),
    "failed": frozenset(),
    "refused": frozenset(),
    "undone": frozenset(),
    "expired": frozenset(),
}
"""State to the states that may follow it."""
OPEN = ("planned", "sent", "running")
"""States from which an action still has to come to an end."""


@dataclass(frozen=True)
class NewAction:
    """An action as the playbooks decided it."""

    key: str
    """Idempotency key: the same decision about the same alert has the same key."""
    host: str
    epoch: str
    seq: int
    alert_rule: str
    playbook: str
    rule: str
    mode: str
    """``enforce``, or ``shadow``: written down, never sent."""
    responder: str
    parameters: dict[str, Any]
    target: dict[str, Any]
    """The alert's subject."""


@dataclass(frozen=True)
class Transition:
    """A change of state. ``at_ns``: nanoseconds since 1970."""

    state: str
    at_ns: int
    who: str
    why: str


@dataclass(frozen=True)
class Action:
    """An action as it stands."""

    id: int
    decided: NewAction
    state: str
    result: dict[str, Any] | None
    transitions: tuple[Transition, ...]

    @property
    def key(self) -> str:
        """Idempotency key."""
        return self.decided.key


def plan(tx: Session, action: NewAction, *, at_ns: int, who: str, why: str) -> bool:
    """Store a decided action in state ``planned``. False if its key is there already: nothing changes."""
    if tx.scalar(select(ActionRow.id).where(ActionRow.key == action.key)) is not None:
        return False
    row = ActionRow(**vars(action), state="planned", result=None)
    row.transitions.append(TransitionRow(state="planned", at_ns=at_ns, who=who, why=why))
    tx.add(row)
    tx.flush()
    return True


def move(tx: Session, key: str, change: Transition, result: dict[str, Any] | None = None) -> bool:
    """Change an action's state. False if it is there already; raises StoreError if it cannot go there."""
    row = tx.scalar(select(ActionRow).where(ActionRow.key == key))
    if row is None:
        raise StoreError(f"no action has the key {key}")
    if row.state == change.state:
        return False
    if change.state not in CHANGES[row.state]:
        raise StoreError(f"action {key} is {row.state} and cannot become {change.state}")
    row.state = change.state
    if result is not None:
        row.result = result
    row.transitions.append(TransitionRow(**vars(change)))
    tx.flush()
    return True


def get(tx: Session, key: str) -> Action | None:
    """Return the action with this key."""
    row = tx.scalar(select(ActionRow).where(ActionRow.key == key))
    return _record(row) if row is not None else None


def unfinished(tx: Session, host: str | None = None) -> list[Action]:
    """Return the enforced actions that have not come to an end, oldest first."""
    query = (
        select(ActionRow).where(ActionRow.state.in_(OPEN), ActionRow.mode == "enforce").order_by(ActionRow.id)
    )
    if host is not None:
        query = query.where(ActionRow.host == host)
    return [_record(row) for row in tx.scalars(query)]


def find(tx: Session, number: int) -> Action | None:
    """Return the action with this id."""
    row = tx.get(ActionRow, number)
    return _record(row) if row is not None else None


def expiring(tx: Session, host: str) -> list[Action]:
    """Return the done actions that the host undoes by itself when their ``ttl`` (seconds) is over."""
    query = select(ActionRow).where(ActionRow.host == host, ActionRow.state == "done").order_by(ActionRow.id)
    return [_record(row) for row in tx.scalars(query) if row.parameters.get("ttl")]


def of_rule(tx: Session, rule: str, *, since_ns: int) -> list[Action]:
    """Return the actions that a playbook's rule wanted since then, oldest first."""
    planned = select(TransitionRow.action_id).where(
        TransitionRow.state == "planned", TransitionRow.at_ns > since_ns
    )
    query = select(ActionRow).where(ActionRow.rule == rule, ActionRow.id.in_(planned)).order_by(ActionRow.id)
    return [_record(row) for row in tx.scalars(query)]


def latest(
    tx: Session,
    *,
    host: str | None = None,
    state: str | None = None,
    alert: tuple[str, str, int] | None = None,
    limit: int | None = None,
) -> list[Action]:
    """Return the newest actions, oldest of them first. ``alert`` is (host, epoch, seq)."""
    query = select(ActionRow).order_by(ActionRow.id.desc()).limit(limit)
    if host is not None:
        query = query.where(ActionRow.host == host)
    if state is not None:
        query = query.where(ActionRow.state == state)
    if alert is not None:
        query = query.where(
            ActionRow.host == alert[0], ActionRow.epoch == alert[1], ActionRow.seq == alert[2]
        )
    return [_record(row) for row in reversed(tx.scalars(query).all())]


def _record(row: ActionRow) -> Action:
    decided = NewAction(**{name: getattr(row, name) for name in NewAction.__dataclass_fields__})
    transitions = tuple(Transition(t.state, t.at_ns, t.who, t.why) for t in row.transitions)
    return Action(row.id, decided, row.state, row.result, transitions)
