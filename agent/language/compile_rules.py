"""Compile the rules that were collected, in definition order."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.language.check import Checked, Problem
from agent.language.conditions import canonical_text, check_condition
from agent.language.definitions import Cache, Definitions, MacroState, condition_rejected
from agent.language.diagnostic import Diagnostic
from agent.language.event_types import declared_event_types, event_types
from agent.language.exceptions import with_exceptions
from agent.language.items import Entry, ExceptionItem, RuleItem, joined
from agent.language.lint import DEPRECATED_FIELDS, UNSAFE_NA
from agent.language.located import ConditionText
from agent.language.macros import Resolved
from agent.language.rule_output import applies, compile_output, is_unknown_name
from agent.language.ruleset import Rule, RuleException
from agent.language.settings import LoadSettings
from agent.language.sink import Context, ExpressionContext, Rejected, Sink

MANY_EVENT_TYPES = 100
"""More event types than this make Falco warn."""
_MANY_TYPES_WARNING = "Rule matches too many evt.type values. This has a significant performance penalty."


@dataclass
class CompiledRule:
    """What one rule came to: the rule, if it is not skipped or refused, and what there is to say about it."""

    rule: Rule | None
    diagnostics: list[Diagnostic]
    failed: bool


@dataclass
class RuleCache:
    """Rules compiled for an earlier file, by name, and what they depended on."""

    rules: dict[str, tuple[tuple[object, ...], CompiledRule]] = field(default_factory=dict)


class RuleCompiler:
    """Compiles rules against one set of lists and macros."""

    def __init__(
        self, definitions: Definitions, settings: LoadSettings, cache: Cache, done: RuleCache
    ) -> None:
        self._definitions = definitions
        self._settings = settings
        self._cache = cache
        self._done = done

    def compile(self, item: RuleItem, sink: Sink) -> Rule | None:
        """Compile one rule; ``None`` if it is skipped or refused. Raises FirstError."""
        if item.unknown_source:
            return None
        own = Sink()
        try:
            condition = self._condition(item)
        except Rejected as rejected:
            sink.reject(rejected)
            return None
        if condition is None:
            return None
        text, resolved, problem = condition
        key = (item.visibility, item.enabled, text.text, resolved.tree if resolved else None)
        known = self._done.rules.get(item.name)
        if known is None or not _same(known[0], key):
            try:
                rule = self._compile(item, text, resolved, problem, own)
            except Rejected as rejected:
                rule = None
                own.reject(rejected)
            known = (key, CompiledRule(rule, own.items, own.failed))
            self._done.rules[item.name] = known
        sink.add(known[1].diagnostics)
        return known[1].rule

    def _condition(self, item: RuleItem) -> tuple[ConditionText, Resolved | None, Rejected | None] | None:
        """Expand, parse and resolve; ``None`` if it uses a broken macro. Raises Rejected for bad exceptions.

        What is wrong with the condition is given back, not raised: Falco looks at the output first.
        """
        context = item.condition_context or item.context
        pieces, glue = item.condition, " "
        if item.exceptions:
            pieces, glue = with_exceptions(item.condition, item.exceptions), ""
        text = self._definitions.expand(pieces, glue, context)
        try:
            parsed = self._definitions.parse(text, context)
            resolved = self._definitions.resolve(item.name, parsed, text, item.context)
        except Rejected as rejected:
            return text, None, rejected
        return None if resolved is None else (text, resolved, None)

    def _compile(
        self,
        item: RuleItem,
        text: ConditionText,
        resolved: Resolved | None,
        problem: Rejected | None,
        own: Sink,
    ) -> Rule | None:
        appended = tuple(entry for entry in self._settings.append_output if applies(entry, item))
        try:
            output = compile_output(item, appended, own)
        except Rejected as rejected:  # the condition is looked at all the same
            own.reject(rejected)
            output = None
        if output is None and not own.failed:
            return None
        if problem is not None or resolved is None:
            raise problem or Rejected("LOAD_ERR_VALIDATE", "the condition does not resolve", item.context)
        self._warn(item, resolved, text, own)
        parsed = self._definitions.parse(text, item.context)
        self._definitions.warn_list_typos(parsed, text, item.condition_context or item.context, own)
        checked = check_condition(resolved.tree)
        if checked.condition is None:
            self._refuse(item, checked, resolved, text, own)
        if checked.condition is None or output is None:
            return None
        context = item.condition_context or item.context
        for hint in checked.hints:
            at = text.context(context, hint.pos, text.written)
            own.warning("LOAD_COMPILE_CONDITION", hint.message, at, text.spot(hint.pos))
        self._warn_event_types(item, resolved, own)
        return Rule(
            name=item.name,
            index=item.index,
            condition=checked.condition,
            tree=resolved.tree,
            canonical=canonical_text(resolved.tree),
            condition_text=joined(item.condition),
            output_text=output[0],
            output=output[1],
            appended=appended,
            desc=item.desc,
            priority=item.priority,
            source=item.source,
            tags=tuple(sorted(item.tags)),
            enabled=item.enabled,
            active=item.enabled,
            event_types=event_types(resolved.tree),
            exceptions=tuple(_exception(one) for one in item.exceptions),
            macros=resolved.macros,
            lists=self._lists(text, resolved),
            location=item.context.location(),
            warn_evttypes=item.warn_evttypes,
            skip_if_unknown_filter=item.skip_if_unknown_filter,
            capture=item.capture,
            capture_duration_ms=item.capture_duration_ms,
        )

    def _lists(self, text: ConditionText, resolved: Resolved) -> frozenset[str]:
        names = set(text.expansion.used)
        for macro in resolved.macros:
            names.update(self._definitions.macros[macro].text.expansion.used)
        inner = {other for name in names for other in self._definitions.lists[name].refers_to}
        return frozenset(names | inner)

    def _warn(self, item: RuleItem, resolved: Resolved, text: ConditionText, own: Sink) -> None:
        found = self._cache.linter.look(resolved.tree)
        parent = item.condition_context or item.context
        context = ExpressionContext(parent, text.written, len(text.written), 0, 0)
        if found.unsafe_na:
            own.warning("LOAD_UNSAFE_NA_CHECK", UNSAFE_NA, context, None, "write 'exists' instead")
        for name, message in DEPRECATED_FIELDS.items():
            if name in found.deprecated:
                own.warning("LOAD_DEPRECATED_ITEM", message, context, None, f"remove the checks of {name}")
        for name in text.expansion.spared:
            message = f"list '{name}' is not expanded inside quotes, where Falco would expand it"
            hint = "nothing to do, unless you meant the list: then write its name outside the quotes"
            own.warning("LOAD_COMPILE_CONDITION", message, context, None, hint)

    def _warn_event_types(self, item: RuleItem, resolved: Resolved, own: Sink) -> None:
        if item.source != "syscall":
            return
        try:
            declared = declared_event_types(resolved.tree)
        except ValueError as error:
            raise Rejected(
                "LOAD_ERR_COMPILE_CONDITION", str(error), item.condition_context or item.context, None,
                "compare evt.type with constants only",
            ) from None  # fmt: skip
        if item.warn_evttypes and len(declared) > MANY_EVENT_TYPES:
            hint = "add a check of evt.type, or 'warn_evttypes: false' if it is meant"
            own.warning("LOAD_NO_EVTTYPE", _MANY_TYPES_WARNING, item.context, None, hint)

    def _refuse(
        self, item: RuleItem, checked: Checked, resolved: Resolved, text: ConditionText, own: Sink
    ) -> None:
        """Report type errors. ``skip-if-unknown-filter`` makes a warning of a first one about a name."""
        skip = item.skip_if_unknown_filter and is_unknown_name(checked.problems[0].message)
        for problem in checked.problems:
            found = self._type_error(problem, resolved, text, item.condition_context or item.context)
            if skip:
                own.warning("LOAD_UNKNOWN_FILTER", found.message, found.context, found.at, found.hint)
                return
            own.reject(found)

    def _type_error(
        self, problem: Problem, resolved: Resolved, text: ConditionText, context: Context
    ) -> Rejected:
        """Locate a type error: in the first macro that has it too, else in the rule itself."""
        definitions = self._definitions
        message, pos = problem.message, problem.pos
        for name, state in definitions.macros.items():
            if name in resolved.macros and problem in self._problems(state):
                found = condition_rejected(
                    message, pos, state.text, context, text.written, definitions.collector, resolved.tree
                )
                found.hint = f"in macro {name}" + (f": {found.hint}" if found.hint else "")
                return found
        return condition_rejected(
            message, pos, text, context, text.written, definitions.collector, resolved.tree
        )

    @staticmethod
    def _problems(state: MacroState) -> tuple[Problem, ...]:
        return check_condition(state.resolved.tree).problems if state.resolved is not None else ()


def _same(known: tuple[object, ...], key: tuple[object, ...]) -> bool:
    return known[:-1] == key[:-1] and known[-1] is key[-1] and key[-1] is not None


def _exception(item: ExceptionItem) -> RuleException:
    fields = item.fields.items if item.fields.is_list else [item.fields]
    comps = item.comps.items if item.comps.is_list else [item.comps]
    return RuleException(
        name=item.name,
        fields=tuple(entry.text for entry in fields),
        comps=tuple(entry.text for entry in comps),
        values=tuple(_value(value) for value in item.values),
        flat=not item.fields.is_list,
    )


def _value(entry: Entry) -> object:
    return tuple(_value(item) for item in entry.items) if entry.is_list else entry.text
