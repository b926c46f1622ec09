"""Tests of one value against constants: what each operator means (specification, sections 1.5 and 1.6).

A test is only asked about a field that has a value; a check on a missing one is false whatever the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from agent.language import typed
from agent.language.patterns.glob import compile_glob
from agent.language.patterns.prefix import compile_prefixes
from agent.language.patterns.regex import compile_regex

Test = Callable[[Any], bool]

ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def constant_test(check: typed.Check) -> Test:
    """Return the test of a value by a check whose right side is constant."""
    if check.op == "exists":
        return lambda _value: True
    if check.values is None and check.op in ("in", "intersects", "pmatch"):
        check = replace(check, value=None, values=(check.value,))
    if check.left.type.name == "IPNET":
        return _network_test(check)
    if check.values is None:
        return scalar_test(check.op, check.value)
    if check.left.type.is_list:
        return list_test(check.op, frozenset(check.values).__contains__)
    if check.modifier is not None:
        return _modified(check.modifier, [scalar_test(check.op, item) for item in check.values])
    return compile_prefixes(check.values) if check.op == "pmatch" else frozenset(check.values).__contains__


def scalar_test(op: str, constant: Any) -> Test:
    """Return the test of one value against one constant."""
    if op == "regex":
        return compile_regex(constant)
    if op in ("glob", "iglob"):
        return compile_glob(constant, ignore_case=op == "iglob")
    compare = COMPARE[op]
    return lambda value: compare(value, constant)


def list_test(op: str, member: Test) -> Test:
    """Return the test of a list: ``in`` asks for all of its values, ``intersects`` for any."""
    if op == "in":
        return lambda values: all(member(value) for value in values)
    return lambda values: any(member(value) for value in values)


def _modified(modifier: str, tests: Sequence[Test]) -> Test:
    """Return the test by one, any or all of several."""
    if not tests:
        return lambda _value: False
    if modifier == "anyof":
        return lambda value: any(test(value) for test in tests)
    if modifier == "allof":
        return lambda value: all(test(value) for test in tests)
    return lambda value: sum(test(value) for test in tests) == 1


def _icontains(value: bytes, part: bytes) -> bool:
    return part.lower() in value.lower()


def _contains(value: bytes, part: bytes) -> bool:
    return part in value


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "!=": ne,
    **ORDER,
    "contains": _contains,
    "icontains": _icontains,
    "bcontains": _contains,
    "startswith": bytes.startswith,
    "bstartswith": bytes.startswith,
    "endswith": bytes.endswith,
}
"""Operator to the comparison of a value with another, where that is all there is to it."""


@lru_cache(maxsize=256)
def _glob(pattern: bytes, *, ignore_case: bool) -> Test:
    return compile_glob(pattern, ignore_case=ignore_case)


def pair_test(check: typed.Check) -> Callable[[Any, Any], bool]:
    """Return the test of a value against the value of another expression."""
    op = check.op
    if check.left.type.is_list:
        if op == "in":
            return lambda left, right: set(left).issubset(right)
        return lambda left, right: not set(left).isdisjoint(right)
    if op in ("in", "intersects"):
        return eq
    if op in ("glob", "iglob"):
        return lambda left, right: _glob(right, ignore_case=op == "iglob")(left)
    return COMPARE[op]


def _network_test(check: typed.Check) -> Test:
    if check.left.type.is_list:
        return list_test(check.op, in_networks(check.values or ()))
    if check.modifier is not None:
        tests = [_one_network(check.op, network) for network in check.values or ()]
        return _modified(check.modifier, tests)
    if check.op in ("in", "intersects"):
        return in_networks(check.values or ())
    return _one_network(check.op, check.value)


def _one_network(op: str, network: tuple[bytes, int]) -> Test:
    inside = in_networks([network])
    return inside if op == "=" else lambda address: not inside(address)


def in_networks(networks: Iterable[tuple[bytes, int]]) -> Test:
    """Return the test that an address (4 or 16 bytes) lies in one of some networks of its own family."""
    wanted: dict[int, dict[int, set[int]]] = {}
    for network, prefix in networks:
        bits = 8 * len(network)
        shifts = wanted.setdefault(len(network), {})
        shifts.setdefault(bits - prefix, set()).add(int.from_bytes(network, "big") >> (bits - prefix))

    families = {size: tuple(shifts.items()) for size, shifts in wanted.items()}

    def inside(address: bytes) -> bool:
        number = int.from_bytes(address, "big")
        for shift, prefixes in families.get(len(address), ()):  # noqa: SIM110 - any() would take twice as long
            if number >> shift in prefixes:
                return True
        return False

    return inside
