"""Which generated function sees which event: rules by event type, each with what is left of its condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent.compiler.dag import FALSE, Decide, Graph, Node, checks_of
from agent.compiler.predicate import Matcher, Writer, argument_loader
from agent.compiler.values import constant_test, pair_test
from agent.event import Event
from agent.fields.catalogue import CATALOGUE
from agent.language import typed
from agent.language.event_types import TYPE_FIELDS
from agent.language.ruleset import Rule
from agent.language.typed import fields_of


def compile_matchers(rules: Sequence[Rule], *, first: bool) -> dict[str, Matcher]:
    """Return the generated function of each event type that some rule can match.

    Types for which the rules come to the same conditions share one function.
    """
    graph = Graph()
    by_type: dict[str, list[tuple[int, Node]]] = {}
    for place, rule in enumerate(rules):
        for name, node in residuals(rule, graph).items():
            by_type.setdefault(name, []).append((place, node))
    matchers: dict[str, Matcher] = {}
    shared: dict[tuple[tuple[int, int], ...], Matcher] = {}
    for name, entries in sorted(by_type.items()):
        key = tuple((place, node.ident) for place, node in entries)
        if key not in shared:
            factored, guards = graph.factor(entries)
            shared[key] = Writer(factored, first=first, guards=guards).compile(name)
        matchers[name] = shared[key]
    return matchers


def residuals(rule: Rule, graph: Graph) -> dict[str, Node]:
    """Return what is left of a rule's condition for each event type that it can match."""
    checks = checks_of(rule.condition)
    constant = {id(check): answer for check in checks if (answer := about_number(check)) is not None}
    tests = {id(check): type_test(check) for check in checks if about_type(check)}
    found: dict[str, Node] = {}
    nodes: dict[tuple[bool, ...], Node] = {}
    for name in rule.event_types:
        event = type_event(name)
        answers = {key: test(event) for key, test in tests.items()}
        outcome = tuple(answers.values())
        if outcome not in nodes:
            nodes[outcome] = graph.build(rule.condition, _known({**constant, **answers}))
        if nodes[outcome].kind != FALSE:
            found[name] = nodes[outcome]
    return found


def _known(answers: Mapping[int, bool]) -> Decide:
    return lambda check: answers.get(id(check))


def about_number(check: typed.Check) -> bool | None:
    """Return the answer of a check of ``evt.num`` that is the same for all events; they count from 1."""
    if not isinstance(check.left, typed.Field) or check.left.key != "evt.num" or check.modifier is not None:
        return None
    if check.expression is not None or not isinstance(check.value, int) or check.value > 0:
        return None
    return {"=": False, "!=": True, "<": False, "<=": False, ">": True, ">=": True}.get(check.op)


def about_type(check: typed.Check) -> bool:
    """Say whether a check asks for nothing but the event's type."""
    fields = fields_of(check.left) + (fields_of(check.expression) if check.expression is not None else [])
    return bool(fields) and all(item.key in TYPE_FIELDS for item in fields)


def type_test(check: typed.Check) -> Callable[[Event], bool]:
    """Return the test of an event by a check, written for being asked once."""
    left = argument_loader(check.left)
    if check.expression is None:
        test = constant_test(check)
        return lambda event: (value := left(event)) is not None and test(value)
    right, pair = argument_loader(check.expression), pair_test(check)

    def compare(event: Event) -> bool:
        first, second = left(event), right(event)
        return first is not None and second is not None and pair(first, second)

    return compare


def type_event(name: str) -> Event:
    """Return an event of which nothing is known but its type."""
    fields = {"evt.type": name.encode()}
    if name in CATALOGUE.syscalls:
        fields["syscall.type"] = name.encode()
    return Event(name, fields)
