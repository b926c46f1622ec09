"""The engine: a loaded ruleset, compiled, that turns events into alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.alert import Alert
from agent.compiler.dag import FALSE, Decide, Graph, Node, checks_of
from agent.compiler.formatter import Formatter
from agent.compiler.operands import keys_of
from agent.compiler.predicate import Matcher, Writer, argument_loader
from agent.compiler.values import constant_test, pair_test
from agent.event import Event
from agent.fields.catalogue import CATALOGUE
from agent.language import typed
from agent.language.event_types import TYPE_FIELDS
from agent.language.output import fields_of, parse_output
from agent.language.ruleset import Rule, Ruleset

SUGGESTED_FIELDS = (
    "container.id",
    "container.name",
    "container.image.repository",
    "container.image.tag",
    "k8s.ns.name",
    "k8s.pod.name",
)
"""What ``suggested_output`` adds: the fields that Falco's container plugin suggests."""


@dataclass(frozen=True)
class EngineSettings:
    """What ``falco.yaml`` says about matching and about what every alert carries."""

    rule_matching: str = "first"
    """``first``: the first rule, in definition order, that matches an event; ``all``: every one."""
    hostname: str = ""
    """Name of the host in every alert."""
    static_fields: Mapping[str, Any] = field(default_factory=dict)
    """Added to ``output_fields`` of every alert."""
    clock: Callable[[], int] = time.time_ns
    """Wall-clock time in nanoseconds since 1970, for ``Alert.matched_ns``."""


@dataclass
class RuleStats:
    """One rule as the engine runs it."""

    rule: Rule
    matches: int = 0
    """Alerts since the engine was built."""


class _Compiled:
    """A rule with its formatters."""

    def __init__(self, rule: Rule, place: int) -> None:
        self.stats = RuleStats(rule)
        self.place = place
        self.formatter = Formatter(rule.output)
        self.extra: list[tuple[str, Formatter, bool]] = []
        suggested: dict[str, None] = {}
        for entry in rule.appended:
            for extra in entry.extra_fields:
                written = f"%{extra.format}" if extra.raw else extra.format
                self.extra.append((extra.name, Formatter(parse_output(b"*" + written.encode())), extra.raw))
            if entry.suggested_output:
                suggested.update(dict.fromkeys(SUGGESTED_FIELDS))
        self.extra.extend((key, Formatter(parse_output(b"*%" + key.encode())), True) for key in suggested)

    def output_fields(self, event: Event) -> dict[str, Any]:
        """Return Falco's ``output_fields``, without the time and the static fields."""
        fields = self.formatter.fields(event)
        for name, formatter, raw in self.extra:
            fields[name] = next(iter(formatter.fields(event).values())) if raw else formatter.text(event)
        return fields

    def alert(self, event: Event, settings: EngineSettings) -> Alert:
        """Make the alert for an event that matched."""
        self.stats.matches += 1
        rule = self.stats.rule
        return Alert(
            rule=rule.name,
            priority=rule.priority,
            source=rule.source,
            tags=rule.tags,
            hostname=settings.hostname,
            time_ns=event.time_ns,
            output=self.formatter.text(event),
            output_fields={**self.output_fields(event), **settings.static_fields},
            subject=dict(event.subject) if event.subject else {},
            matched_ns=settings.clock(),
        )


class Engine:
    """Active rules by event type, each type with one generated function. Immutable but for its counters."""

    def __init__(
        self, compiled: Sequence[_Compiled], matchers: Mapping[str, Matcher], settings: EngineSettings
    ) -> None:
        self._compiled = compiled
        self._matchers = matchers
        self._settings = settings
        self.event_types = frozenset(matchers)
        """Event types that some active rule can match; no other event need be captured."""
        self.fields = frozenset(key for item in compiled for key in rule_keys(item.stats.rule))
        """Keys that conditions and outputs ask events for."""

    @classmethod
    def build(cls, ruleset: Ruleset, settings: EngineSettings | None = None) -> Engine:
        """Compile the active rules of a ruleset."""
        settings = settings or EngineSettings()
        rules = sorted(ruleset.active_rules, key=lambda rule: rule.index)
        compiled = [_Compiled(rule, place) for place, rule in enumerate(rules)]
        matchers = compile_matchers(rules, first=settings.rule_matching == "first")
        return cls(compiled, matchers, settings)

    @property
    def rules(self) -> tuple[RuleStats, ...]:
        """The active rules in definition order, with their counters."""
        return tuple(item.stats for item in self._compiled)

    def match(self, event: Event) -> list[Alert]:
        """Return the alerts of one event, in definition order of the rules."""
        matcher = self._matchers.get(event.type)
        if matcher is None:
            return []
        places = matcher(event)
        if not places:
            return []
        return [self._compiled[place].alert(event, self._settings) for place in places]


def rule_keys(rule: Rule) -> frozenset[str]:
    """Return the keys that a rule's condition and outputs ask an event for."""
    keys: set[str] = set()
    for check in checks_of(rule.condition):
        for side in (check.left, check.expression):
            if side is not None:
                keys.update(key for item in fields_of(side) for key in keys_of(item))
    keys.update(item.key for item in rule.output.fields if not item.info.filter_only)
    return frozenset(keys)


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
            shared[key] = Writer(entries, first=first).compile(name)
        matchers[name] = shared[key]
    return matchers


def residuals(rule: Rule, graph: Graph) -> dict[str, Node]:
    """Return what is left of a rule's condition for each event type that it can match."""
    tests = {id(check): type_test(check) for check in checks_of(rule.condition) if about_type(check)}
    found: dict[str, Node] = {}
    nodes: dict[tuple[bool, ...], Node] = {}
    for name in rule.event_types:
        event = type_event(name)
        answers = {key: test(event) for key, test in tests.items()}
        outcome = tuple(answers.values())
        if outcome not in nodes:
            nodes[outcome] = graph.build(rule.condition, _known(answers))
        if nodes[outcome].kind != FALSE:
            found[name] = nodes[outcome]
    return found


def _known(answers: Mapping[int, bool]) -> Decide:
    return lambda check: answers.get(id(check))


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
