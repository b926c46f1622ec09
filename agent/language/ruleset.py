"""What ``load`` gives: rules with everything resolved and typed, ready for the compiler."""

from __future__ import annotations

from dataclasses import dataclass

from agent.language import tree, typed
from agent.language.diagnostic import Diagnostic
from agent.language.output import Output
from agent.language.settings import AppendOutput
from agent.language.source import Location
from agent.language.version import NO_VERSION, Version


@dataclass(frozen=True)
class RuleException:
    """One exception of a rule, as resolved: the rule does not fire where a tuple of values matches."""

    name: str
    fields: tuple[str, ...]
    comps: tuple[str, ...]
    values: tuple[object, ...]
    """Scalars as text; a tuple where the rules file has a list."""
    flat: bool
    """Whether ``fields`` was one name instead of a list, so ``values`` is one flat list."""


@dataclass(frozen=True)
class Rule:
    """One rule, compiled. Disabled rules are here too."""

    name: str
    index: int
    """Place in definition order, from 0; a redefinition keeps its place."""
    condition: typed.Condition
    """Types checked, constants parsed, macros and lists resolved, exceptions appended."""
    tree: tree.Condition
    """The same before types, for printing."""
    canonical: bytes
    """Canonical condition text in Falco's form (``-L``, ``condition_compiled``)."""
    condition_text: str
    """The condition as written, after appends and overrides, before resolution and without exceptions."""
    output_text: str
    """The output with ``append_output`` texts."""
    output: Output
    """``output_text`` parsed and checked."""
    appended: tuple[AppendOutput, ...]
    """The ``append_output`` entries that apply to this rule, for their ``extra_fields``."""
    desc: str
    priority: str
    """One of ``agent.alert.PRIORITIES``."""
    source: str
    tags: tuple[str, ...]
    """Sorted."""
    enabled: bool
    """The rule's own flag."""
    active: bool
    """Whether it is evaluated: enabled, by ``rules:`` selections too, and urgent enough."""
    event_types: frozenset[str]
    """Names of the event types that the condition can match."""
    exceptions: tuple[RuleException, ...]
    macros: frozenset[str]
    """Names of the macros it uses, also through macros."""
    lists: frozenset[str]
    """Names of the lists it uses, also through macros and lists."""
    location: Location
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    capture: bool = False
    capture_duration_ms: int = 0


@dataclass(frozen=True)
class Macro:
    """One macro, with the lists and macros that it uses resolved."""

    name: str
    condition_text: str
    tree: tree.Condition
    location: Location
    macros: frozenset[str]
    lists: frozenset[str]
    used: bool


@dataclass(frozen=True)
class List:
    """One list, with lists inside it resolved."""

    name: str
    items: tuple[str, ...]
    location: Location
    lists: frozenset[str]
    used: bool


@dataclass(frozen=True)
class PluginRequirement:
    """One entry of ``required_plugin_versions``: any of these will do."""

    any_of: tuple[tuple[str, str], ...]
    """Name and version of each alternative, the preferred one first."""


@dataclass(frozen=True)
class Ruleset:
    """All rules of all files, in definition order."""

    rules: tuple[Rule, ...] = ()
    macros: tuple[Macro, ...] = ()
    lists: tuple[List, ...] = ()
    required_engine_version: Version = NO_VERSION
    required_plugin_versions: tuple[PluginRequirement, ...] = ()
    plugins_missing: tuple[str, ...] = ()
    """One message for every plugin requirement that is not satisfied; empty if not checked."""

    @property
    def active_rules(self) -> tuple[Rule, ...]:
        """The rules to evaluate."""
        return tuple(rule for rule in self.rules if rule.active)


@dataclass(frozen=True)
class FileResult:
    """What loading one file said, about it and again about all files before it."""

    name: str
    diagnostics: tuple[Diagnostic, ...]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Only the errors."""
        return tuple(item for item in self.diagnostics if item.is_error)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Only the warnings."""
        return tuple(item for item in self.diagnostics if not item.is_error)


@dataclass(frozen=True)
class Loaded:
    """The result of ``load``."""

    ruleset: Ruleset | None
    """``None`` if there is an error."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """Every error and warning once, in the order of files and places."""
    files: tuple[FileResult, ...] = ()
    """The files read, with everything that Falco would report for each."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Only the errors."""
        return tuple(item for item in self.diagnostics if item.is_error)
