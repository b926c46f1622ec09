"""Decisions written down beside the alert that they are about, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from controller.respond.decide import Decision, decide
from controller.respond.playbook import ENFORCE, Rule
from controller.store import actions
from controller.store.actions import Action, NewAction, Transition
from controller.text import printable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from controller.store.alerts import SpoolRecord, StoredAlert

WHO = "playbook"
Book = Callable[[str | None], Sequence[Rule]]
"""Gives the playbook rules of a release, by its id; ``None`` for an alert that no release raised."""


def plan_alerts(
    tx: Session, alerts: Sequence[StoredAlert], groups: Collection[str], book: Book, at_ns: int
) -> list[NewAction]:
    """Store what the playbooks want about alerts of one host; return what is to be sent, in order.

    Call it in the transaction that stores the alerts: then no alert is without its decisions. Of an enforced
    rule the first step is stored, each other step together with the end of the one before it.
    Of a rule in shadow mode every step is stored, and none is returned.
    """
    wanted: list[NewAction] = []
    for alert in alerts:
        record = alert.record
        for decision in decide(record.line, record.host, groups, book(record.release)):
            enforced = decision.rule.mode == ENFORCE
            if enforced and decision.number > 0:
                continue
            action = new_action(decision, record)
            stored = actions.plan(tx, action, at_ns=at_ns, who=WHO, why=_why(decision))
            if stored and enforced:
                wanted.append(action)
    return wanted


def plan_next(
    tx: Session, action: NewAction, end: Transition, record: SpoolRecord, book: Book
) -> NewAction | None:
    """Store the step after one that has ended, and return it; ``None`` if there is none."""
    decision = _following(action, end.state, book(record.release))
    if decision is None:
        return None
    following = new_action(decision, record)
    stored = actions.plan(tx, following, at_ns=end.at_ns, who=WHO, why=_why(decision))
    return following if stored else None


def new_action(decision: Decision, record: SpoolRecord) -> NewAction:
    """Return the action that a decision about an alert leads to."""
    return NewAction(
        key=decision.key(record.host, record.epoch, record.seq),
        host=record.host,
        epoch=record.epoch,
        seq=record.seq,
        alert_rule=printable(str(record.line.get("rule", ""))),
        playbook=decision.rule.playbook,
        rule=decision.rule.name,
        mode=decision.rule.mode,
        responder=decision.step.responder,
        parameters=dict(decision.step.parameters),
        target=record.subject,
    )


def message(action: Action | NewAction) -> dict[str, Any]:
    """Return ``action`` of the protocol's ``action.run``."""
    one = action.decided if isinstance(action, Action) else action
    return {
        "key": one.key,
        "responder": one.responder,
        "parameters": one.parameters,
        "target": one.target,
        "alert": {"epoch": one.epoch, "seq": one.seq, "rule": one.alert_rule},
    }


def _following(action: NewAction, state: str, rules: Sequence[Rule]) -> Decision | None:
    for rule in rules:
        if rule.name != action.rule:
            continue
        for number, step in enumerate(rule.steps[:-1]):
            if Decision(rule, number).key(action.host, action.epoch, action.seq) == action.key:
                goes_on = step.continues and (state == "done" or step.ignore_errors)
                return Decision(rule, number + 1) if goes_on else None
    return None


def _why(decision: Decision) -> str:
    return f"{decision.rule.playbook}: {decision.rule.name}: {decision.step.name}"
