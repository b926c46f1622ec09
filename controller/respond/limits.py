"""How often a rule of a playbook may act: after how many alerts, on the same thing, and at all.

    threshold   it acts from the nth alert within so many seconds on, counted for each host
    dedup       it does not act again on the same thing within so many seconds
    budget      it acts at most so often within so many seconds, on one host and in the fleet

The limits of a rule in shadow mode count what it would have done. They hold across restarts of the
controller: what is remembered here comes from the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from controller.respond.match import text_of
from controller.store import actions, alerts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from controller.respond.playbook import Rule
    from controller.store.alerts import SpoolRecord, StoredAlert

_SECOND = 10**9


@dataclass(frozen=True)
class Threshold:
    """Acts from the ``alerts``-th alert within ``seconds`` on."""

    alerts: int
    seconds: float


@dataclass(frozen=True)
class Dedup:
    """Does not act again within ``seconds`` where ``key`` is the same."""

    seconds: float
    key: tuple[str, ...] = ()
    """Output fields of the alert; empty for the process itself. The host is always part of it."""

    def of(self, record: SpoolRecord) -> tuple[str | None, ...]:
        """Return what an alert must have in common with another to count as the same."""
        if not self.key:
            return tuple(text_of(record.subject.get(name)) for name in ("ns_pid", "start_ns", "boot_id"))
        fields = record.line.get("output_fields")
        known: Mapping[str, Any] = fields if isinstance(fields, Mapping) else {}
        return tuple(text_of(known.get(name)) for name in self.key)


@dataclass(frozen=True)
class Budget:
    """Acts at most so often within ``seconds``."""

    seconds: float
    host: int | None = None
    fleet: int | None = None


@dataclass(frozen=True)
class Limits:
    """The limits of one rule; ``None`` for one that it does not have."""

    threshold: Threshold | None = None
    dedup: Dedup | None = None
    budget: Budget | None = None

    @property
    def seconds(self) -> float:
        """How far back what the rule did still matters."""
        return max((each.seconds for each in (self.dedup, self.budget) if each is not None), default=0.0)


@dataclass(frozen=True)
class Verdict:
    """Whether a rule may act on an alert."""

    acts: bool
    refusal: str = ""
    """Why its budget forbids it; empty if it just does not act."""


ACTS, RESTS = Verdict(acts=True), Verdict(acts=False)
_Alert = tuple[str, str, int]


@dataclass(frozen=True)
class _Act:
    at_ns: int
    host: str
    alert: _Alert
    same: tuple[str | None, ...]
    refused: bool = False
    """Whether the budget forbade it: then it counts for dedup only, so that it is refused once."""


@dataclass
class _Past:
    """What a rule did and saw."""

    acts: deque[_Act]
    seen: dict[str, dict[_Alert, int]] = field(default_factory=dict)
    """For each host the alerts that matched, with the time of their event."""


class Memory:
    """What the rules with limits did lately. For one thread."""

    def __init__(self) -> None:
        self._past: dict[str, _Past] = {}

    def judge(self, tx: Session, rule: Rule, alert: StoredAlert, at_ns: int) -> Verdict:
        """Say whether ``rule``, which matches ``alert``, may act on it; if so, remember that it does.

        Asked again about the same alert (its transaction failed and is repeated) it says the same.
        """
        if rule.limits == Limits():
            return ACTS
        past = self._past.get(rule.name)
        if past is None:
            past = self._past[rule.name] = _Past(_acts_before(tx, rule, at_ns))
        this = _reference(alert.record)
        if not self._enough(tx, rule, alert, past):
            return RESTS
        _forget(past, at_ns - int(rule.limits.seconds * _SECOND))
        others = [act for act in past.acts if act.alert != this]
        same = rule.limits.dedup.of(alert.record) if rule.limits.dedup else ()
        verdict = _judge(rule.limits, alert.record.host, same, others, at_ns)
        if verdict != RESTS and len(others) == len(past.acts):
            past.acts.append(_Act(at_ns, alert.record.host, this, same, not verdict.acts))
        return verdict

    def _enough(self, tx: Session, rule: Rule, alert: StoredAlert, past: _Past) -> bool:
        threshold = rule.limits.threshold
        if threshold is None:
            return True
        since = alert.record.event_ns - int(threshold.seconds * _SECOND)
        seen = past.seen.get(alert.record.host)
        if seen is None:
            wanted = alerts.Filter(host=alert.record.host, since_ns=since)
            found = [one.record for one in alerts.find(tx, wanted) if one.id <= alert.id]
            seen = {_reference(one): one.event_ns for one in found if rule.match.holds(one.line)}
        seen[_reference(alert.record)] = alert.record.event_ns
        past.seen[alert.record.host] = {one: ns for one, ns in seen.items() if ns > since}
        return len(past.seen[alert.record.host]) >= threshold.alerts


def _judge(limits: Limits, host: str, same: tuple[str | None, ...], acts: list[_Act], at_ns: int) -> Verdict:
    if limits.dedup is not None:
        since = at_ns - int(limits.dedup.seconds * _SECOND)
        if any(act.host == host and act.same == same and act.at_ns > since for act in acts):
            return RESTS
    if limits.budget is not None:
        since = at_ns - int(limits.budget.seconds * _SECOND)
        recent = [act.host for act in acts if act.at_ns > since and not act.refused]
        for spent, most, where in (
            (recent.count(host), limits.budget.host, "on this host"),
            (len(recent), limits.budget.fleet, "in the fleet"),
        ):
            if most is not None and spent >= most:
                why = f"the rule's budget is spent: {spent} times {where} within {limits.budget.seconds:g} s"
                return Verdict(acts=False, refusal=why)
    return ACTS


def _forget(past: _Past, before_ns: int) -> None:
    while past.acts and past.acts[0].at_ns < before_ns:
        past.acts.popleft()


def _reference(record: SpoolRecord) -> _Alert:
    return record.host, record.epoch, record.seq


def _acts_before(tx: Session, rule: Rule, at_ns: int) -> deque[_Act]:
    """Return what the store has of the rule's acts, oldest first: one for each alert that it acted on."""
    found: dict[_Alert, _Act] = {}
    for action in actions.of_rule(tx, rule.name, since_ns=at_ns - int(rule.limits.seconds * _SECOND)):
        one = action.decided
        reference = (one.host, one.epoch, one.seq)
        refused = action.state == "refused" and action.transitions[-1].who == "playbook"
        alert = alerts.get(tx, *reference)
        if alert is None or reference in found:
            continue
        same = rule.limits.dedup.of(alert.record) if rule.limits.dedup else ()
        found[reference] = _Act(action.transitions[0].at_ns, one.host, reference, same, refused)
    return deque(found.values())
