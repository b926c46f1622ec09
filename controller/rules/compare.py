"""Compare two rulesets: what changed in rules, macros, lists and exceptions, and which rules that reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.language.ruleset import List, Macro, Rule, RuleException, Ruleset
from controller.rules.layout import one_line

ADDED = "added"
REMOVED = "removed"
CHANGED = "changed"

Named = TypeVar("Named", Rule, Macro, List, RuleException)


@dataclass(frozen=True)
class Detail:
    """One thing about an item that changed: its value before and after."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One item that was added, removed or changed."""

    kind: str
    """``rule``, ``macro`` or ``list``."""
    name: str
    how: str
    """:data:`ADDED`, :data:`REMOVED` or :data:`CHANGED`."""
    details: tuple[Detail, ...] = ()
    reaches: tuple[str, ...] = ()
    """For macros and lists: the rules that use it, before or after."""


def compare(before: Ruleset, after: Ruleset) -> list[Change]:
    """Return what changed: rules first, then macros and lists, by name in definition order."""
    changes = _changes("rule", before.rules, after.rules, _rule_details)
    macros = _changes("macro", before.macros, after.macros, _macro_details)
    lists = _changes("list", before.lists, after.lists, _list_details)
    return [*changes, *(_reaching(change, before, after) for change in [*macros, *lists])]


def _changes(
    kind: str,
    before: Iterable[Named],
    after: Iterable[Named],
    details: Callable[[Named, Named], list[Detail]],
) -> list[Change]:
    old, new = {one.name: one for one in before}, {one.name: one for one in after}
    found = [Change(kind, name, REMOVED) for name in old if name not in new]
    for name, item in new.items():
        if name not in old:
            found.append(Change(kind, name, ADDED))
        elif changed := details(old[name], item):
            found.append(Change(kind, name, CHANGED, tuple(changed)))
    return found


def _rule_details(old: Rule, new: Rule) -> list[Detail]:
    keys = (
        "priority",
        "source",
        "enabled",
        "desc",
        "tags",
        "warn_evttypes",
        "skip_if_unknown_filter",
        "capture",
    )
    found = [Detail(key, getattr(old, key), getattr(new, key)) for key in keys]
    found.append(Detail("condition", _words(old.condition_text), _words(new.condition_text)))
    found.append(Detail("output", old.output_text, new.output_text))
    found.append(Detail("event types", sorted(old.event_types), sorted(new.event_types)))
    found = [detail for detail in found if detail.before != detail.after]
    return found + _exception_details(old.exceptions, new.exceptions)


def _exception_details(old: tuple[RuleException, ...], new: tuple[RuleException, ...]) -> list[Detail]:
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    found = [
        Detail(f"exception {name}", _exception(before[name]), None) for name in before if name not in after
    ]
    for name, item in after.items():
        if item != before.get(name):
            found.append(Detail(f"exception {name}", _exception(before.get(name)), _exception(item)))
    return found


def _exception(item: RuleException | None) -> dict[str, Any] | None:
    return None if item is None else {key: value for key, value in vars(item).items() if key != "name"}


def _macro_details(old: Macro, new: Macro) -> list[Detail]:
    before, after = _words(old.condition_text), _words(new.condition_text)
    return [Detail("condition", before, after)] if before != after else []


def _list_details(old: List, new: List) -> list[Detail]:
    gone = [item for item in old.items if item not in set(new.items)]
    come = [item for item in new.items if item not in set(old.items)]
    if gone or come:
        return [Detail("items", gone, come)]
    return [Detail("order of items", list(old.items), list(new.items))] if old.items != new.items else []


def _words(text: str) -> str:
    """Return a condition laid out on one line: layout is no change."""
    return one_line(text) or " ".join(text.split())


def _reaching(change: Change, before: Ruleset, after: Ruleset) -> Change:
    names: dict[str, None] = {}
    for rule in (*before.rules, *after.rules):
        if change.name in (rule.macros if change.kind == "macro" else rule.lists):
            names[rule.name] = None
    return Change(change.kind, change.name, change.how, change.details, tuple(names))
