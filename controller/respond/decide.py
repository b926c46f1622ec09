"""What the playbooks want done about an alert. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.respond.playbook import ENFORCE, Rule, Step


@dataclass(frozen=True)
class Decision:
    """One step of one rule that matched an alert."""

    rule: Rule
    number: int
    """Which of the rule's steps, from 0."""

    @property
    def step(self) -> Step:
        """What is to be done."""
        return self.rule.steps[self.number]

    def key(self, host: str, epoch: str, seq: int) -> str:
        """Return the idempotency key: the same decision about the same alert always has the same."""
        parts = (host, epoch, str(seq), self.rule.name, str(self.number))
        return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:40]


def decide(
    line: Mapping[str, Any], host: str, groups: Collection[str], rules: Sequence[Rule]
) -> list[Decision]:
    """Return what is wanted for an alert, in order; ``line`` is Falco's JSON of it.

    A rule with ``continue: false`` ends the search when it matches; if it is in shadow mode it ends it
    for rules in shadow mode only, since a rule that does nothing must not keep another from doing something.
    """
    decisions: list[Decision] = []
    hidden: set[str] = set()
    for rule in rules:
        if rule.mode in hidden or not rule.is_for(host, groups) or not rule.match.holds(line):
            continue
        decisions += [Decision(rule, number) for number in range(reachable(rule))]
        if not rule.continues:
            hidden |= {"shadow", "enforce"} if rule.mode == ENFORCE else {"shadow"}
    return decisions


def reachable(rule: Rule) -> int:
    """Return how many of a rule's steps can be reached: one that does not continue is the last."""
    for number, step in enumerate(rule.steps, 1):
        if not step.continues:
            return number
    return len(rule.steps)
