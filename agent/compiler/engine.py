"""The engine: a loaded ruleset, compiled, that turns events into alerts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.alert import Alert
from agent.compiler.dag import checks_of
from agent.compiler.dispatch import compile_matchers
from agent.compiler.formatter import Formatter
from agent.compiler.operands import keys_of
from agent.compiler.predicate import Matcher
from agent.event import Event
from agent.language.output import parse_output
from agent.language.ruleset import Rule, Ruleset
from agent.language.typed import fields_of

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
