"""Which rules are evaluated: their own flag, the minimum priority, and ``rules:`` of ``falco.yaml``."""

from __future__ import annotations

import dataclasses

from agent.alert import PRIORITIES
from agent.language.ruleset import Rule
from agent.language.settings import LoadSettings, Selection


def matches_wildcard(pattern: str, text: str) -> bool:
    """Whether ``text`` matches ``pattern``, in which ``*`` stands for any text. Linear in both."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    if not text.startswith(first):
        return False
    at = len(first)
    *middle, last = rest
    for part in middle:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - at >= len(last) and text.endswith(last)


def is_urgent_enough(priority: str, minimum: str) -> bool:
    """Whether a priority is at least as urgent as the minimum."""
    return PRIORITIES.index(priority) <= PRIORITIES.index(minimum)


def select(rules: list[Rule], settings: LoadSettings) -> tuple[Rule, ...]:
    """Return the rules with ``active`` as the settings make it. A selection overrides a rule's own flag."""
    return tuple(_selected(rule, settings) for rule in rules)


def _selected(rule: Rule, settings: LoadSettings) -> Rule:
    active = rule.enabled
    for entry in settings.rules:
        if _concerns(entry, rule):
            active = entry.enable
    active = active and is_urgent_enough(rule.priority, settings.priority)
    return rule if active == rule.active else dataclasses.replace(rule, active=active)


def _concerns(entry: Selection, rule: Rule) -> bool:
    if entry.rule and matches_wildcard(entry.rule, rule.name):
        return True
    return bool(entry.tag) and entry.tag in rule.tags
