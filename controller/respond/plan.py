"""Decisions written down beside the alert that they are about, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from controller.respond.decide import Decision, decide
from controller.respond.limits import Memory
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


class Planner:
    """Stores what the playbooks want about alerts. For one thread."""

    def __init__(self, book: Book) -> None:
        self._book, self._memory = book, Memory()

    def plan(
        self, tx: Session, stored: Sequence[StoredAlert], groups: Collection[str], at_ns: int
    ) -> list[NewAction]:
        """Store the decisions about alerts of one host; return the actions to send, in order.

        Call it in the transaction that stores the alerts: then no alert is without its decisions. Of an
        enforced rule the first step is stored, each other step together with the end of the one before
        it. Of a rule in shadow mode every step is stored, and none is returned.
        """
        wanted: list[NewAction] = []
        for alert in stored:
            record = alert.record
            decisions = decide(record.line, record.host, groups, self._book(record.release))
            for rule in dict.fromkeys(one.rule.name for one in decisions):
                steps = [one for one in decisions if one.rule.name == rule]
                wanted += self._plan_rule(tx, steps, alert, at_ns)
        return wanted

    def _plan_rule(
        self, tx: Session, steps: Sequence[Decision], alert: StoredAlert, at_ns: int
    ) -> list[NewAction]:
        verdict = self._memory.judge(tx, steps[0].rule, alert, at_ns)
        if not verdict.acts and not verdict.refusal:
            return []
        enforced = steps[0].rule.mode == ENFORCE
        wanted = []
        for decision in steps[:1] if enforced or verdict.refusal else steps:
            action = new_action(decision, alert.record)
            fresh = actions.plan(tx, action, at_ns=at_ns, who=WHO, why=_why(decision))
            if fresh and verdict.refusal:
                actions.move(tx, action.key, Transition("refused", at_ns, WHO, verdict.refusal))
            elif fresh and enforced:
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
