"""Merge items into the collections that all files share: define, append, replace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from agent.fields.catalogue import CATALOGUE
from agent.language.decode import VALIDATE, did_you_mean
from agent.language.exceptions import validate_exception
from agent.language.items import (
    ExceptionItem,
    Item,
    ListItem,
    MacroItem,
    PluginAlternative,
    RuleChange,
    RuleItem,
)
from agent.language.ruleset import PluginRequirement
from agent.language.settings import LoadSettings
from agent.language.sink import Context, NotDefinedError, Rejected, Sink
from agent.language.version import NO_VERSION, Version, parse_version

REPLACEABLE = (
    "desc",
    "priority",
    "tags",
    "enabled",
    "warn_evttypes",
    "skip_if_unknown_filter",
    "capture",
    "capture_duration_ms",
)
"""What an override replaces as it is: attributes of both RuleItem and RuleChange."""

AnyItem = TypeVar("AnyItem", bound=Item)


class Collector:
    """Everything defined so far, in definition order: a redefinition keeps its place."""

    def __init__(self, settings: LoadSettings) -> None:
        self.settings = settings
        self.lists: dict[str, ListItem] = {}
        self.macros: dict[str, MacroItem] = {}
        self.rules: dict[str, RuleItem] = {}
        self.required_engine_version = NO_VERSION
        self.required_plugins: list[PluginRequirement] = []
        self.broken: dict[str, set[str]] = {"list": set(), "macro": set(), "rule": set()}
        """Names whose definition was refused: what refers to them is not refused for it as well."""
        self.odd_lists: set[str] = set()
        """Names of lists that are no words of a condition."""
        self._clock = 0

    def _define(self, items: dict[str, AnyItem], item: AnyItem) -> None:
        previous = items.get(item.name)
        item.index = self._clock if previous is None else previous.index
        self._touch(item)
        items[item.name] = item

    def _touch(self, item: Item) -> None:
        item.visibility = self._clock
        self._clock += 1

    def require_engine(self, version: Version, context: Context) -> None:
        """Note a required engine version. Raises Rejected if this engine is older."""
        engine = self.settings.engine_version
        if not engine.satisfies(version):
            message = f"Rules require engine version {version}, but engine version is {engine}"
            raise Rejected(
                VALIDATE, message, context, None, "use rules made for this engine, or a newer engine"
            )
        self.required_engine_version = max(self.required_engine_version, version)

    def require_plugin(self, alternatives: list[PluginAlternative], context: Context) -> None:
        """Note a plugin requirement. Raises Rejected for a bad version, or a name given twice."""
        names: set[str] = set()
        for one in alternatives:
            if parse_version(one.version) is None:
                message = f"Invalid required version '{one.version}' for plugin '{one.name}'"
                raise Rejected(VALIDATE, message, context, one.node, "write it as x.y.z")
            if one.name in names:
                message = f"Defined multiple alternative version requirements for plugin '{one.name}'"
                raise Rejected(VALIDATE, message, context, one.node, "name each plugin once")
            names.add(one.name)
        self.required_plugins.append(
            PluginRequirement(tuple((one.name, one.version) for one in alternatives))
        )

    def define_list(self, item: ListItem) -> None:
        """Define or redefine a list."""
        self._define(self.lists, item)

    def append_list(self, item: ListItem) -> None:
        """Append the items of ``item`` to the list of its name. Raises Rejected if there is none."""
        previous = self.lists.get(item.name)
        if previous is None:
            message = "List uses 'append' or 'override.items: append' but no list by that name already exists"
            raise self._not_defined("list", item.name, message, item.context)
        previous.items.extend(item.items)
        self._touch(previous)

    def define_macro(self, item: MacroItem) -> None:
        """Define or redefine a macro."""
        self._define(self.macros, item)

    def append_macro(self, item: MacroItem) -> None:
        """Append the condition of ``item`` to the macro of its name. Raises Rejected if there is none."""
        previous = self.macros.get(item.name)
        if previous is None:
            message = (
                "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists"
            )
            raise self._not_defined("macro", item.name, message, item.context)
        previous.condition.extend(item.condition)
        self._touch(previous)

    def _not_defined(self, kind: str, name: str, message: str, context: Context) -> NotDefinedError:
        items: dict[str, Iterable[str]] = {"list": self.lists, "macro": self.macros, "rule": self.rules}
        hint = did_you_mean(name, items[kind])
        where = f"define the {kind} before this item: in an earlier file, or higher up in this one"
        error = NotDefinedError(VALIDATE, message, context, None, hint or where)
        error.kind, error.name = kind, name
        return error

    def define_rule(self, item: RuleItem, sink: Sink) -> None:
        """Define or redefine a rule. Raises Rejected."""
        previous = self.rules.get(item.name)
        if previous is not None and previous.source != item.source:
            message = "Rule has been re-defined with a different source"
            hint = f"it was defined with source '{previous.source}'; use that, or another name"
            raise Rejected(VALIDATE, message, item.context, None, hint)
        if item.source not in self.settings.sources:
            item.unknown_source = True
            hint = f"known sources: {', '.join(sorted(self.settings.sources))}; the rule is skipped"
            sink.warning(
                "LOAD_UNKNOWN_SOURCE", f"Unknown source {item.source}, skipping", item.context, None, hint
            )
        for one in item.exceptions:
            if not one.fields.given:
                message = "Rule exception item must have fields property with a list of fields"
                raise Rejected(VALIDATE, message, one.context, None, "write 'fields: [proc.name]'")
            validate_exception(one, CATALOGUE, check_fields=not item.unknown_source)
        self._define(self.rules, item)

    def append_rule(self, change: RuleChange) -> None:
        """Append to a rule. Raises Rejected if there is none, or for an exception that does not fit."""
        rule = self.rules.get(change.name)
        if rule is None:
            message = "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists"
            raise self._not_defined("rule", change.name, message, change.context)
        if not change.says_something:
            message = "Appended rule must have exceptions or condition property"
            raise Rejected(VALIDATE, message, change.context, None, "add 'condition:' or 'exceptions:'")
        if change.condition is not None:
            rule.condition.append(change.condition)
        if change.output is not None:
            rule.output.append(change.output)
        if change.desc is not None:
            rule.desc += " " + change.desc
        if change.tags is not None:
            rule.tags |= change.tags
        for one in change.exceptions or ():
            self._append_exception(rule, one)
        self._touch(rule)

    @staticmethod
    def _append_exception(rule: RuleItem, one: ExceptionItem) -> None:
        previous = next((known for known in rule.exceptions if known.name == one.name), None)
        if previous is None:
            for part, given in (("fields", one.fields.given), ("values", bool(one.values))):
                if not given:
                    message = f"Rule exception must have {part} property with a list of {part}"
                    hint = did_you_mean(one.name, [known.name for known in rule.exceptions])
                    raise Rejected(VALIDATE, message, one.context, None, hint or f"add '{part}:'")
            validate_exception(one, CATALOGUE, check_fields=not rule.unknown_source)
            rule.exceptions.append(one)
            return
        for part, given in (("fields", one.fields.given), ("comps", one.comps.given)):
            if given:
                message = f"Can not append exception {part} to existing exception, only values"
                raise Rejected(
                    VALIDATE, message, one.context, None, f"remove '{part}:', it is that of the rule"
                )
        previous.values.extend(one.values)

    def replace_in_rule(self, change: RuleChange) -> None:
        """Replace keys of a rule. Raises Rejected if there is none."""
        rule = self.rules.get(change.name)
        if rule is None:
            message = (
                "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists"
            )
            raise self._not_defined("rule", change.name, message, change.context)
        if change.condition is not None:
            rule.condition = [change.condition]
        if change.output is not None:
            rule.output = [change.output]
        if change.exceptions is not None:
            for one in change.exceptions:
                validate_exception(one, None, check_fields=False)
            rule.exceptions = change.exceptions
        for key in REPLACEABLE:
            value = getattr(change, key)
            if value is not None:
                setattr(rule, key, value)
        self._touch(rule)

    def enable_rule(self, name: str, context: Context, *, enabled: bool) -> None:
        """Set a rule's own flag. Raises Rejected if there is no such rule."""
        rule = self.rules.get(name)
        if rule is None:
            message = "Rule has 'enabled' key but no rule by that name already exists"
            raise self._not_defined("rule", name, message, context)
        rule.enabled = enabled
