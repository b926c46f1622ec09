"""Where the value of a check's left side comes from.

Most fields are one look-up in the event. These are not:

- *either side*: ``fd.ip``, ``fd.net``, ``fd.port`` and ``fd.proto`` look at both ends of a connection; ``=``
  holds if one end matches, ``!=`` only if neither does (specification, section 1.6; Q1 to Q3 of section 6 are
  fixed: ``in`` and ``intersects`` look at both ends and at every constant);
- *networks*: ``fd.cnet``, ``fd.snet``, ``fd.lnet``, ``fd.rnet`` are the addresses of ``fd.cip`` …;
- *ancestors*: ``proc.aname`` without index is every ancestor, and one that matches is enough. An event gives
  it as a tuple under the plain key, or else one by one under ``proc.aname[1]``, ``proc.aname[2]`` ….
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from agent.compiler.values import Test, constant_test, scalar_test
from agent.fields.catalogue import ANCESTOR
from agent.language import typed

EITHER = {
    "fd.ip": ("fd.cip", "fd.sip"),
    "fd.net": ("fd.cip", "fd.sip"),
    "fd.port": ("fd.cport", "fd.sport"),
    "fd.proto": ("fd.cproto", "fd.sproto"),
}
"""Filter-only field to the fields of both ends."""
NETWORKS = {"fd.cnet": "fd.cip", "fd.snet": "fd.sip", "fd.lnet": "fd.lip", "fd.rnet": "fd.rip"}
"""Filter-only network to the address that it asks about."""
MAX_ANCESTORS = 64
"""Ancestors looked at where an event gives them one by one."""

_Event = Mapping[str, Any]


def is_ancestor(expression: typed.Argument) -> bool:
    """Say whether an expression means any ancestor."""
    return (
        isinstance(expression, typed.Field)
        and expression.info.argument == ANCESTOR
        and expression.arg is None
    )


def is_either(expression: typed.Argument) -> bool:
    """Say whether an expression means either end of a connection."""
    return isinstance(expression, typed.Field) and expression.key in EITHER


def keys_of(item: typed.Field) -> tuple[str, ...]:
    """Return the keys under which an event is asked for a field."""
    if item.key in EITHER:
        return EITHER[item.key]
    return (NETWORKS.get(item.key, item.key),)


def either(first: Any, second: Any) -> tuple[Any, ...] | None:
    """Return the values of both ends; ``None`` if neither has one."""
    if first is None:
        return None if second is None else (second,)
    return (first,) if second is None else (first, second)


def ancestors(event: _Event, key: str) -> tuple[Any, ...] | None:
    """Return the values of all ancestors, the parent first; ``None`` if there is none."""
    given = event[key]
    if isinstance(given, tuple):
        return given or None
    found = []
    for index in range(1, MAX_ANCESTORS + 1):
        value = event[f"{key}[{index}]"]
        if value is None:
            break
        found.append(value)
    return tuple(found) or None


def left_test(check: typed.Check) -> Test:
    """Return the test of what the left side loads, against constants."""
    if is_ancestor(check.left):
        return _any_end(constant_test(check))
    if is_either(check.left):
        return _either_test(check)
    return constant_test(check)


def _either_test(check: typed.Check) -> Test:
    if check.modifier is None or check.op == "exists":
        return _of_ends(check.op, constant_test(check))
    tests = [_of_ends(check.op, _single(check, constant)) for constant in check.values or ()]
    return _COUNTS[check.modifier](tests)


def _single(check: typed.Check, constant: Any) -> Test:
    """Return the test against one constant of several."""
    if check.left.type.name == "IPNET":
        return constant_test(typed.Check(check.left, check.op, value=constant))
    return scalar_test(check.op, constant)


def _of_ends(op: str, one: Test) -> Test:
    if op == "!=":
        return lambda values: all(one(value) for value in values)
    return _any_end(one)


def _any_end(one: Test) -> Test:
    def match(values: tuple[Any, ...]) -> bool:
        for value in values:  # noqa: SIM110 - any() would take twice as long
            if one(value):
                return True
        return False

    return match


def _any_of(tests: list[Test]) -> Test:
    return lambda values: any(test(values) for test in tests)


def _all_of(tests: list[Test]) -> Test:
    return lambda values: bool(tests) and all(test(values) for test in tests)


def _one_of(tests: list[Test]) -> Test:
    return lambda values: sum(test(values) for test in tests) == 1


_COUNTS: dict[str, Callable[[list[Test]], Test]] = {"anyof": _any_of, "allof": _all_of, "oneof": _one_of}
