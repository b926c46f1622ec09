"""Narrowing to event types: what it leaves out can never match."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import evaluate

from agent.compiler.dispatch import type_event
from agent.language import typed
from agent.language.check import check
from agent.language.event_types import EventTypes, declared_event_types, event_types
from agent.language.parser import parse

UNIVERSE = ("open", "openat", "openat2", "close", "connect", "execve", "procexit", "container")
TYPES = EventTypes(UNIVERSE)

names = st.sampled_from(["open", "openat", "close", "execve"])
parts = st.sampled_from(["open", "openat", "close", "execve", "accept"])
ops = st.sampled_from(["contains", "icontains", "startswith", "endswith", "glob", "iglob", "regex"])
lists = st.lists(names, max_size=3).map(lambda items: "(" + ", ".join(items) + ")")
part_lists = st.lists(parts, max_size=3).map(
    lambda items: "(" + ", ".join(f'"{item}"' for item in items) + ")"
)
modifiers = st.sampled_from(["anyof", "allof", "oneof"])
type_checks = st.one_of(
    st.builds("evt.type {} {}".format, st.sampled_from(["=", "!="]), names),
    st.builds("evt.type {} {}".format, st.sampled_from(["in", "intersects"]), lists),
    st.builds("evt.type {} {} {}".format, st.sampled_from(["=", "!="]), modifiers, lists),
    st.builds('evt.type {} "{}"'.format, ops, parts),
    st.builds("evt.type {} {} {}".format, ops, modifiers, part_lists),
    st.builds("evt.type pmatch {}".format, lists),
    st.sampled_from(["evt.type exists", "evt.num = 0", "evt.num > 0", "evt.num <= 0", "evt.num >= 1"]),
)
other_checks = st.sampled_from(["proc.name = x", "proc.name != x", "proc.name exists"])


def combined(checks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        checks,
        lambda inner: st.one_of(
            inner.map("not ({})".format),
            st.lists(inner, min_size=2, max_size=4).map(lambda items: "(" + " and ".join(items) + ")"),
            st.lists(inner, min_size=2, max_size=4).map(lambda items: "(" + " or ".join(items) + ")"),
        ),
        max_leaves=8,
    )


def can_match(text: str) -> set[str]:
    """The types of events that match, found by asking one event of each."""
    condition = check(parse(text.encode())).condition
    assert condition is not None
    return {
        name for name in UNIVERSE if any(matches(condition, name, process) for process in (None, b"x", b"y"))
    }


def matches(condition: typed.Condition, name: str, process: bytes | None) -> bool:
    event = type_event(name)
    event["evt.num"] = 5
    if process is not None:
        event["proc.name"] = process
    return evaluate(condition, event)


@settings(max_examples=300)
@given(combined(type_checks | other_checks))
def test_no_type_that_can_match_is_left_out(text: str) -> None:
    tree = parse(text.encode())
    assert can_match(text) <= TYPES.matching(tree) <= TYPES.declared(tree)


@given(combined(type_checks))
def test_comparisons_of_the_type_alone_are_decided_exactly(text: str) -> None:
    assert TYPES.matching(parse(text.encode())) == can_match(text)


def test_falcos_own_narrowing_knows_fewer_operators() -> None:
    tree = parse(b"evt.type = anyof (open, close)")
    assert event_types(tree) == {"open", "close"}
    assert len(declared_event_types(tree)) > 100


@pytest.mark.parametrize("text", [b"tolower(evt.type) = open", b"evt.type = val(proc.name)"])
def test_falcos_own_narrowing_refuses_to_see_through(text: bytes) -> None:
    with pytest.raises(ValueError, match="event type"):
        declared_event_types(parse(text))
