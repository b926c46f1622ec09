"""Run test cases of rules through the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.alert import Alert
from agent.compiler.engine import Engine, EngineSettings
from agent.language.decode import did_you_mean
from agent.language.ruleset import Rule, Ruleset
from controller.errors import InputError
from controller.rules.cases import Case


@dataclass(frozen=True)
class Outcome:
    """What became of one case."""

    case: Case
    problems: tuple[str, ...] = field(default=())
    """What is not as the case says; empty if it passed."""

    @property
    def passed(self) -> bool:
        """Whether everything is as the case says."""
        return not self.problems


class Runner:
    """Runs cases against one ruleset. Every rule takes part, disabled ones too, and all that match fire."""

    def __init__(self, ruleset: Ruleset) -> None:
        rules = tuple(dataclasses.replace(rule, active=True) for rule in ruleset.rules)
        self.rules: dict[str, Rule] = {rule.name: rule for rule in rules}
        self.fired: set[str] = set()
        """Rules that some case expected to fire, and that did."""
        self._engine = Engine.build(
            dataclasses.replace(ruleset, rules=rules), EngineSettings(rule_matching="all", hostname="test")
        )

    def run(self, case: Case) -> Outcome:
        """Run one case. Raises InputError if it names a rule that does not exist."""
        for name in sorted((case.fires or frozenset()) | case.silent):
            if name not in self.rules:
                hint = did_you_mean(name, self.rules)
                raise InputError(f"no such rule: {name}{'; ' + hint if hint else ''}", case.place)
        alerts = self._engine.match(case.event)
        self.fired |= {alert.rule for alert in alerts} & (case.fires or frozenset())
        return Outcome(case, tuple(_problems(case, alerts)))

    def untested(self) -> list[str]:
        """Return the rules that no case so far expected to fire."""
        return [name for name in self.rules if name not in self.fired]


def _problems(case: Case, alerts: list[Alert]) -> Iterator[str]:
    fired = {alert.rule: alert for alert in alerts}
    if case.fires is not None:
        for name in sorted(case.fires - fired.keys()):
            yield f"{name} does not fire"
        for name in sorted(fired.keys() - case.fires):
            yield f"{name} fires: {fired[name].output}"
    for name in sorted(case.silent & fired.keys()):
        yield f"{name} fires: {fired[name].output}"
    if case.output and not any(case.output in alert.output for alert in alerts):
        outputs = "; ".join(alert.output for alert in alerts) or "no alert"
        yield f"no output contains {case.output!r}: {outputs}"
