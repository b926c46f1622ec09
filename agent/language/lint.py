"""Falco's warnings about conditions that compile: deprecated fields, comparison with ``<NA>``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.language import tree

DEPRECATED_FIELDS = {
    "evt.dir": (
        "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = >' always "
        "evaluates to false. The rule expression can be simplified by removing the condition on 'evt.dir'"
    ),
    **dict.fromkeys(
        ("evt.latency", "evt.latency.s", "evt.latency.ns", "evt.latency.human", "evt.wait_latency"),
        "field is not available due to the drop of enter events.",
    ),
}
"""Field to what Falco says about it, in the order in which it looks for them."""

UNSAFE_NA = (
    "comparing a field value with <NA> is unsafe and can lead to unpredictable behavior of the rule "
    "condition. If you need to check for the existence of a field, consider using the 'exists' operator "
    "instead."
)
_EQUALITIES = frozenset({"==", "=", "!=", "in", "intersects", "pmatch"})


@dataclass
class Findings:
    """What one check gives rise to."""

    unsafe_na: bool = False
    deprecated: frozenset[str] = frozenset()


@dataclass
class Linter:
    """Looks at checks; each one once, however many rules share it."""

    _seen: dict[int, tuple[tree.Check, Findings]] = field(default_factory=dict)

    def look(self, condition: tree.Condition) -> Findings:
        """Return the findings of all checks of a condition."""
        found = [self._check(check) for check in checks_of(condition)]
        deprecated = frozenset(name for one in found for name in one.deprecated)
        return Findings(any(one.unsafe_na for one in found), deprecated)

    def _check(self, check: tree.Check) -> Findings:
        known = self._seen.get(id(check))
        if known is None:  # the check is kept with its findings, so its id stays its own
            known = self._seen[id(check)] = (check, _examine(check))
        return known[1]


def checks_of(condition: tree.Condition) -> Iterator[tree.Check]:
    """Every check of a condition, from left to right."""
    waiting: list[tree.Condition] = [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Check):
            yield node
        elif isinstance(node, tree.Not):
            waiting.append(node.item)
        elif isinstance(node, (tree.And, tree.Or)):
            waiting.extend(reversed(node.items))


def field_names(part: object) -> Iterator[str]:
    """Names of the fields in one side of a check."""
    waiting = [part]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Field):
            yield node.name
        elif isinstance(node, tree.ValueOf):
            waiting.append(node.of)
        elif isinstance(node, tree.Transform):
            waiting.extend(reversed(node.args))
        elif isinstance(node, tree.ArgumentList):
            waiting.extend(reversed(node.items))


def constants(right: tree.Right | None) -> tuple[tree.Literal, ...]:
    """Return the constants on the right of a check."""
    if isinstance(right, tree.Literal):
        return (right,)
    return right.items if isinstance(right, tree.LiteralList) else ()


def _examine(check: tree.Check) -> Findings:
    left = list(field_names(check.left))
    names = (
        left
        if isinstance(check.right, (tree.Literal, tree.LiteralList))
        else [*left, *field_names(check.right)]
    )
    deprecated = frozenset(name for name in names if name in DEPRECATED_FIELDS)
    unsafe = (
        check.op in _EQUALITIES
        and any(name.startswith(("ka.", "jevt.")) for name in left)
        and any(literal.value == b"<NA>" for literal in constants(check.right))
    )
    return Findings(unsafe, deprecated)
