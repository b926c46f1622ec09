"""The kernel filter of a ruleset: a form per event type, and for each rule whether the kernel decides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.compiler.dag import Graph, Node
from agent.compiler.dispatch import residuals
from agent.compiler.filter.atoms import Atom, NoAtom, atom_of
from agent.compiler.filter.form import REJECT, Builder, Constant, FindAtom, Form, disjunction
from agent.language import typed
from agent.language.ruleset import Rule

HasValue = Callable[[str], bool]
"""Whether events can have a value for the field of a key."""


def always(_key: str) -> bool:
    """Every field may have a value."""
    return True


@dataclass(frozen=True)
class RuleFilter:
    """What the kernel decides of one rule for one event type."""

    rule: str
    event_type: str
    form: Form
    reasons: tuple[str, ...]
    """Why the kernel cannot decide all of it; empty if it can."""

    @property
    def exact(self) -> bool:
        """Whether the kernel decides the whole condition, wherever it knows the facts."""
        return not self.reasons


@dataclass(frozen=True)
class KernelFilter:
    """Forms by event type: an event of that type is kept if its form keeps it."""

    forms: Mapping[str, Form]
    rules: tuple[RuleFilter, ...]

    @classmethod
    def build(cls, rules: Sequence[Rule], has_value: HasValue = always) -> KernelFilter:
        """Derive the filter of rules that are all active.

        A check of a field that ``has_value`` denies is false, as any check without a value.
        """
        graph = Graph()
        found = [
            rule_filter(rule.name, event_type, node, has_value)
            for rule in rules
            for event_type, node in sorted(residuals(rule, graph).items())
        ]
        by_type: dict[str, list[Form]] = {}
        for item in found:
            by_type.setdefault(item.event_type, []).append(item.form)
        forms = {event_type: disjunction(parts) for event_type, parts in by_type.items()}
        return cls(forms, tuple(found))

    def of_rule(self, name: str) -> tuple[RuleFilter, ...]:
        """Return what the kernel decides of one rule, by event type."""
        return tuple(item for item in self.rules if item.rule == name)


def rule_filter(name: str, event_type: str, node: Node, has_value: HasValue = always) -> RuleFilter:
    """Derive the filter of one rule for one event type."""
    builder = Builder(_finder(event_type, has_value))
    form = builder.may(node)
    return RuleFilter(name, event_type, form, tuple(builder.reasons))


def _finder(event_type: str, has_value: HasValue) -> FindAtom:
    def find(check: typed.Check) -> Atom | NoAtom | Constant:
        if isinstance(check.left, typed.Field) and not has_value(check.left.key):
            return REJECT
        return atom_of(check, event_type)

    return find
