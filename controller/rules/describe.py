"""What a rule is made of: for ``tercel rules list`` and ``show``."""

from __future__ import annotations

from typing import Any

from agent.compiler.filter.plan import KernelFilter
from agent.language.canonical import source as print_condition
from agent.language.lint import checks_of
from agent.language.ruleset import Rule
from agent.language.typed import And, Check, Condition, Field, Not, Or, Texts, Transform


def condition_fields(condition: Condition) -> dict[str, str]:
    """Return every field of a condition with its type, in order of appearance."""
    found: dict[str, str] = {}
    waiting: list[Any] = [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Field):
            found.setdefault(node.key, str(node.type))
        elif isinstance(node, Check):
            waiting += [node.expression, node.left]
        elif isinstance(node, Not):
            waiting.append(node.item)
        elif isinstance(node, (And, Or, Texts)):
            waiting.extend(reversed(node.items))
        elif isinstance(node, Transform):
            waiting.extend(reversed(node.args))
    return found


def operators(rule: Rule) -> list[str]:
    """Return the operators that a rule uses."""
    return sorted({check.op for check in checks_of(rule.tree)})


def details(rule: Rule) -> dict[str, Any]:
    """Return everything about a rule as plain data, for JSON and for printing."""
    return {
        "rule": rule.name,
        "desc": rule.desc,
        "priority": rule.priority,
        "source": rule.source,
        "tags": list(rule.tags),
        "enabled": rule.enabled,
        "active": rule.active,
        "defined": f"{rule.location.file}:{rule.location.place.human()}",
        "condition": rule.condition_text,
        "expanded": print_condition(rule.tree).decode("utf-8", "replace"),
        "canonical": rule.canonical.decode("utf-8", "replace"),
        "output": rule.output_text,
        "fields": condition_fields(rule.condition),
        "output fields": {field.key: str(field.type) for field in rule.output.fields},
        "operators": operators(rule),
        "event types": sorted(rule.event_types),
        "macros": sorted(rule.macros),
        "lists": sorted(rule.lists),
        "kernel filter": _kernel(rule),
        "exceptions": [_exception(one) for one in rule.exceptions],
    }


def _kernel(rule: Rule) -> dict[str, str]:
    """Say for each event type whether the kernel decides the rule, and if not, why."""
    found = KernelFilter.build([rule]).of_rule(rule.name)
    return {one.event_type: "exact" if one.exact else "; ".join(one.reasons) for one in found}


def _exception(one: Any) -> dict[str, Any]:
    return {"name": one.name, "fields": one.fields, "comps": one.comps, "values": one.values}
