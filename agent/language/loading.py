"""Load rules files: text in, ruleset or diagnostics out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from agent.language.collector import Collector
from agent.language.compile_rules import RuleCache, RuleCompiler
from agent.language.definitions import Cache, Definitions
from agent.language.diagnostic import Diagnostic
from agent.language.plugins import missing_plugins
from agent.language.read_items import read_file
from agent.language.ruleset import FileResult, List, Loaded, Macro, Rule, Ruleset
from agent.language.selection import select
from agent.language.settings import LoadSettings
from agent.language.sink import FirstError, Sink
from agent.language.source import RulesFile


def load(files: Sequence[RulesFile], settings: LoadSettings | None = None) -> Loaded:
    """Load ``files`` in order.

    Never raises for what is in the files: that becomes diagnostics. As in Falco each file must load with
    those before it: a file may not use what only a later one defines.
    """
    loading = _Loading(settings or LoadSettings())
    for file in files:
        loading.add(file)
        if loading.failed and loading.settings.first_error_only:
            break
    return loading.result()


@dataclass
class _Loading:
    """One load on its way."""

    settings: LoadSettings
    files: list[FileResult] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    definitions: Definitions | None = None
    failed: bool = False
    said: list[Diagnostic] = field(default_factory=list)
    """What stays said: of warnings about compiled rules only those of the last compilation."""
    warned: list[Diagnostic] = field(default_factory=list)
    """Warnings of the last compilation: a later file may use a list or change a rule."""

    def __post_init__(self) -> None:
        self.collector = Collector(self.settings)
        self._cache = Cache()
        self._done = RuleCache()

    def add(self, file: RulesFile) -> None:
        sink = Sink(first_error_only=self.settings.first_error_only)
        read = 0
        try:
            read_file(file.name, file.content, self.collector, sink)
            read = len(sink.items)
            self._compile(sink)
        except FirstError:
            read = read or len(sink.items)  # the sink has it
        self.said += [item for n, item in enumerate(sink.items) if n < read or item.is_error]
        self.warned = [item for item in sink.items[read:] if not item.is_error]
        self.failed = self.failed or sink.failed
        self.files.append(FileResult(file.name, tuple(sink.items)))

    def _compile(self, sink: Sink) -> None:
        definitions = Definitions(self.collector, self._cache, sink)
        compiler = RuleCompiler(definitions, self.settings, self._cache, self._done)
        self.rules = []
        for item in self.collector.rules.values():
            rule = compiler.compile(item, sink)
            if rule is not None:
                self.rules.append(rule)
        if not sink.failed:
            definitions.warn_unused()
        self.definitions = definitions

    def result(self) -> Loaded:
        order = {file.name: number for number, file in enumerate(self.files)}
        diagnostics = _once([*self.said, *self.warned])
        diagnostics.sort(key=lambda item: (order[item.file], item.place))
        if self.failed:
            return Loaded(None, tuple(diagnostics), tuple(self.files))
        return Loaded(self._ruleset(), tuple(diagnostics), tuple(self.files))

    def _ruleset(self) -> Ruleset:
        plugins = self.settings.plugins
        required = tuple(self.collector.required_plugins)
        return Ruleset(
            rules=select(self.rules, self.settings),
            macros=_macros(self.definitions),
            lists=_lists(self.definitions),
            required_engine_version=self.collector.required_engine_version,
            required_plugin_versions=required,
            plugins_missing=() if plugins is None else missing_plugins(required, plugins),
        )


def _once(items: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drop repetitions: each compilation speaks of the rules of all files so far."""
    return list(dict.fromkeys(items))


def _macros(definitions: Definitions | None) -> tuple[Macro, ...]:
    if definitions is None:
        return ()
    return tuple(
        Macro(
            name=name,
            condition_text=state.text.written,
            tree=state.resolved.tree,
            location=state.item.context.location(),
            macros=state.resolved.macros,
            lists=frozenset(state.text.expansion.used),
            used=name in definitions.used_macros,
        )
        for name, state in definitions.macros.items()
        if state.resolved is not None
    )


def _lists(definitions: Definitions | None) -> tuple[List, ...]:
    if definitions is None:
        return ()
    items = definitions.collector.lists
    return tuple(
        List(
            name,
            one.items,
            items[name].context.location(),
            one.refers_to,
            used=name in definitions.used_lists,
        )
        for name, one in definitions.lists.items()
    )
