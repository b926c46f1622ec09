"""What a check costs, roughly: a set look-up is 1. Decides only the order of evaluation."""

from __future__ import annotations

from agent.language import typed

_FIELD = {"container": 6.0, "k8s": 8.0, "user": 3.0, "group": 3.0}
"""By the first part of the name: fields that are looked up somewhere when first asked for."""
_OPERATOR = {
    "contains": 1.2,
    "icontains": 3.0,
    "glob": 8.0,
    "iglob": 8.0,
    "regex": 30.0,
    "pmatch": 12.0,
    "exists": 0.8,
}


def cost_of(check: typed.Check) -> float:
    """Return the cost of one check."""
    cost = _OPERATOR.get(check.op, 1.0) + _expression_cost(check.left)
    if check.expression is not None:
        cost += _expression_cost(check.expression)
    if check.modifier is not None:
        cost += 0.5 * len(check.values or ())
    return cost


def _expression_cost(expression: typed.Argument) -> float:
    cost, waiting = 0.0, [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, typed.Field):
            cost += _FIELD.get(part.key.partition(".")[0], 0.0) + (4.0 if part.type.is_list else 0.0)
            cost += 5.0 if part.info.argument == "ancestor" else 0.0
        elif isinstance(part, typed.Transform):
            cost += 6.0
            waiting.extend(part.args)
        elif isinstance(part, typed.Texts):
            waiting.extend(part.items)
    return cost
