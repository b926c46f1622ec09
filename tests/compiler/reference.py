"""The meaning of a typed condition, as plainly as it can be written: a walk over the tree.

The generated code is held against this. It shares nothing with it but the patterns and the transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.compiler.transformers import transformer
from agent.event import Event
from agent.language import typed
from agent.language.patterns.glob import compile_glob
from agent.language.patterns.prefix import compile_prefixes
from agent.language.patterns.regex import compile_regex

ENDS = {
    "fd.ip": ("fd.cip", "fd.sip"),
    "fd.net": ("fd.cip", "fd.sip"),
    "fd.port": ("fd.cport", "fd.sport"),
}
NETS = {"fd.cnet": "fd.cip", "fd.snet": "fd.sip"}


def evaluate(condition: typed.Condition, event: Event) -> bool:
    if isinstance(condition, typed.And):
        return all(evaluate(item, event) for item in condition.items)
    if isinstance(condition, typed.Or):
        return any(evaluate(item, event) for item in condition.items)
    if isinstance(condition, typed.Not):
        return not evaluate(condition.item, event)
    return check(condition, event)


def check(node: typed.Check, event: Event) -> bool:
    left = node.left
    if isinstance(left, typed.Field) and left.info.argument == "ancestor" and left.arg is None:
        values = [event[f"{left.key}[{index}]"] for index in range(1, 5)]
        return any(single(node, value, event) for value in values if value is not None)
    if isinstance(left, typed.Field) and left.key in ENDS:
        values = [event[key] for key in ENDS[left.key] if event[key] is not None]
        return bool(values) and either(node, values)
    value = load(left, event)
    return value is not None and single(node, value, event)


def either(node: typed.Check, values: list[Any]) -> bool:
    if node.op == "exists":
        return True
    if node.modifier is not None:
        return count(node.modifier, [ends(node, constant, values) for constant in node.values or ()])
    if node.op in ("in", "intersects"):
        return any(equal(node, value, constant) for value in values for constant in node.values or ())
    return ends(node, node.value, values)


def ends(node: typed.Check, constant: Any, values: list[Any]) -> bool:
    if node.op == "!=":
        return not any(equal(node, value, constant) for value in values)
    return any(compare(node, value, constant) for value in values)


def single(node: typed.Check, value: Any, event: Event) -> bool:  # noqa: PLR0911 - one line per kind of check
    if node.op == "exists":
        return True
    if node.expression is not None:
        other = load(node.expression, event)
        return other is not None and against(node, value, other)
    if node.left.type.is_list:
        quantifier: Callable[[Any], bool] = all if node.op == "in" else any
        return quantifier(any(equal(node, item, c) for c in node.values or ()) for item in value)
    if node.modifier is not None:
        return count(node.modifier, [compare(node, value, constant) for constant in node.values or ()])
    if node.op in ("in", "intersects"):
        return any(equal(node, value, constant) for constant in node.values or ())
    if node.op == "pmatch":
        return compile_prefixes(node.values or ())(value)
    return compare(node, value, node.value)


def against(node: typed.Check, value: Any, other: Any) -> bool:
    if node.left.type.is_list:
        return (
            all(item in other for item in value) if node.op == "in" else any(item in other for item in value)
        )
    if node.op in ("in", "intersects"):
        return bool(value == other)
    return compare(node, value, other)


def count(modifier: str, results: list[bool]) -> bool:
    if modifier == "anyof":
        return any(results)
    if modifier == "allof":
        return bool(results) and all(results)
    return sum(results) == 1


def equal(node: typed.Check, value: Any, constant: Any) -> bool:
    if node.left.type.name != "IPNET":
        return bool(value == constant)
    network, prefix = constant
    bits = "".join(f"{byte:08b}" for byte in value)
    return len(network) == len(value) and bits[:prefix] == "".join(f"{byte:08b}" for byte in network)[:prefix]


def compare(node: typed.Check, value: Any, constant: Any) -> bool:
    results: dict[str, Callable[[], bool]] = {
        "=": lambda: equal(node, value, constant),
        "!=": lambda: not equal(node, value, constant),
        "<": lambda: value < constant,
        "<=": lambda: value <= constant,
        ">": lambda: value > constant,
        ">=": lambda: value >= constant,
        "contains": lambda: constant in value,
        "icontains": lambda: constant.lower() in value.lower(),
        "bcontains": lambda: constant in value,
        "startswith": lambda: value[: len(constant)] == constant,
        "bstartswith": lambda: value[: len(constant)] == constant,
        "endswith": lambda: not constant or value[-len(constant) :] == constant,
        "glob": lambda: compile_glob(constant)(value),
        "iglob": lambda: compile_glob(constant, ignore_case=True)(value),
        "regex": lambda: compile_regex(constant)(value),
    }
    return results[node.op]()


def load(expression: typed.Argument, event: Event) -> Any:
    if isinstance(expression, typed.Field):
        return event[NETS.get(expression.key, expression.key)]
    if isinstance(expression, typed.Text):
        return expression.value
    if isinstance(expression, typed.Texts):
        values = tuple(load(item, event) for item in expression.items)
        return None if None in values else values
    values = tuple(load(item, event) for item in expression.args)
    return None if None in values else transformer(expression)(*values)
