"""The generated predicates against the plain walk over the tree."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from conditions import checks, conditions, events, field
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import evaluate

from agent.compiler.dag import Graph
from agent.compiler.predicate import Matcher, Writer
from agent.event import Event
from agent.language import typed


def compiled(rules: Sequence[typed.Condition], *, first: bool = False) -> Matcher:
    graph = Graph()
    nodes = [(place, graph.build(rule, lambda _check: None)) for place, rule in enumerate(rules)]
    factored, guards = graph.factor(nodes)
    return Writer(factored, first=first, guards=guards).compile("test")


@settings(max_examples=150)
@given(st.lists(conditions, min_size=1, max_size=4), st.lists(events(), min_size=1, max_size=5))
def test_generated_code_means_what_the_tree_says(rules: list[typed.Condition], given: list[Event]) -> None:
    every, first = compiled(rules), compiled(rules, first=True)
    for event in given:
        expected = [place for place, rule in enumerate(rules) if evaluate(rule, event)]
        assert list(every(event)) == expected
        assert list(first(event)) == expected[:1]


@settings(max_examples=150)
@given(st.lists(checks, min_size=3, max_size=3), st.lists(conditions, min_size=4, max_size=6), events())
def test_what_rules_have_in_common_is_asked_once(
    common: list[typed.Condition], own: list[typed.Condition], event: Event
) -> None:
    rules = [typed.And((*common, condition)) for condition in own]
    expected = [place for place, rule in enumerate(rules) if evaluate(rule, event)]
    assert list(compiled(rules)(event)) == expected
    assert list(compiled(rules, first=True)(event)) == expected[:1]


def nested(levels: int) -> typed.Condition:
    name, number = field("proc.name", "CHARBUF"), field("fd.num", "INT64")
    condition: typed.Condition = typed.Check(name, "=", value=b"x")
    for level in range(levels):
        other = typed.Check(number, "=", value=level)
        condition = typed.And((other, typed.Not(typed.Or((condition, typed.Check(name, "=", value=b"y"))))))
    return condition


def test_a_condition_deeper_than_pythons_stack_compiles() -> None:
    match = compiled([nested(sys.getrecursionlimit() * 2)])
    assert list(match(Event("open", {"fd.num": 2 * sys.getrecursionlimit() - 1, "proc.name": b"z"}))) == [0]
    assert list(match(Event("open", {"fd.num": -1}))) == []


def test_a_condition_with_a_hundred_thousand_parts_compiles() -> None:
    name, path = field("proc.name", "CHARBUF"), field("fd.name", "CHARBUF")
    parts = tuple(
        typed.And((typed.Check(name, "=", value=b"%d" % n), typed.Check(path, "contains", value=b"/%d" % n)))
        for n in range(10_000)
    )
    match = compiled([typed.Or(parts)])
    assert list(match(Event("open", {"proc.name": b"9999", "fd.name": b"x/9999"}))) == [0]
    assert list(match(Event("open", {"proc.name": b"9999", "fd.name": b"x/9998"}))) == []


def test_constants_from_a_rules_file_never_become_code() -> None:
    evil = b'"; __import__("os").abort() #' + b"\\'\n\x00" * 40
    name = field('proc.env[");raise SystemExit(1)#]', "CHARBUF")
    match = compiled([typed.Check(name, "=", value=evil), typed.Check(name, "startswith", value=evil[:9])])
    assert list(match(Event("open", {name.key: evil}))) == [0, 1]


def test_a_field_is_asked_for_only_when_it_is_needed_and_once() -> None:
    asked: list[str] = []

    class Watching(Event):
        def __missing__(self, key: str) -> None:
            asked.append(key)

    name, path = field("proc.name", "CHARBUF"), field("fd.name", "CHARBUF")
    rule = typed.And((typed.Check(name, "=", value=b"x"), typed.Check(path, "contains", value=b"y")))
    again = typed.Or((typed.Check(name, "!=", value=b"x"), typed.Check(name, "exists")))
    assert list(compiled([rule, again])(Watching("open"))) == []
    assert asked == ["proc.name"]


@pytest.mark.parametrize("modifier", ["anyof", "allof", "oneof"])
@pytest.mark.parametrize("op", ["=", "!=", "contains"])
def test_no_constants_never_match(modifier: str, op: str) -> None:
    check = typed.Check(field("proc.name", "CHARBUF"), op, values=(), modifier=modifier)
    assert list(compiled([check])(Event("open", {"proc.name": b"x"}))) == []
