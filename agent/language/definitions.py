"""Lists and macros of one compilation, ready for rules: expanded, parsed, resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.language import tree
from agent.language.advice import condition_advice, undefined_macro_advice
from agent.language.collector import Collector
from agent.language.conditions import parse_condition
from agent.language.errors import ConditionError
from agent.language.items import MacroItem, Piece
from agent.language.lint import Linter
from agent.language.list_typos import ListTypos
from agent.language.lists import ExpandedList, Expander, TooLongError, expand_lists
from agent.language.located import ConditionText
from agent.language.macros import MacroError, MacroResolver, Parsed, Resolved, find_references
from agent.language.sink import Context, Rejected, Sink

COMPILE_CONDITION = "LOAD_ERR_COMPILE_CONDITION"


@dataclass
class MacroState:
    """A macro on its way."""

    item: MacroItem
    text: ConditionText
    parsed: Parsed
    resolved: Resolved | None = None


@dataclass(frozen=True)
class KnownCondition:
    """A macro or rule resolved for an earlier file, and what went into it."""

    parts: tuple[object, ...]
    limit: int | None
    resolved: Resolved

    def holds(self, parts: tuple[object, ...], limit: int | None) -> bool:
        """Whether the same parts came together again, and nothing seen then is out of sight now."""
        in_sight = self.limit is None or (limit is not None and limit >= self.limit)
        return in_sight and _all_same(self.parts, parts)


@dataclass
class Cache:
    """What does not change from one file's compilation to the next."""

    parsed: dict[str, Parsed | ConditionError] = field(default_factory=dict)
    resolved: dict[tuple[str, bool], KnownCondition] = field(default_factory=dict)
    linter: Linter = field(default_factory=Linter)

    def parse(self, text: str) -> Parsed | ConditionError:
        """Parse a condition, once."""
        known = self.parsed.get(text)
        if known is None:
            try:
                known = find_references(parse_condition(text))
            except ConditionError as error:
                known = error
            self.parsed[text] = known
        return known


class Definitions:
    """Lists and macros of one compilation, and which of them are used."""

    def __init__(self, collector: Collector, cache: Cache, sink: Sink) -> None:
        self.collector = collector
        self.cache = cache
        self.sink = sink
        self.lists: dict[str, ExpandedList] = expand_lists(collector.lists)
        self.used_lists: set[str] = set()
        self.used_macros: set[str] = set()
        self.macros: dict[str, MacroState] = {}
        self.broken: set[str] = set(collector.broken["macro"]) - set(collector.macros)
        self._expander = Expander(self.lists)
        self._typos = ListTypos(self.lists)
        self._parse_macros()
        self.resolver = MacroResolver({name: state.parsed for name, state in self.macros.items()})
        self._resolve_macros()

    def expand(self, pieces: list[Piece], glue: str, context: Context) -> ConditionText:
        """Glue the pieces of a condition and expand its lists. Raises Rejected if it gets too long."""
        written = glue.join(piece.text for piece in pieces)
        try:
            expansion = self._expander.expand(written)
        except TooLongError as error:
            message = f"list '{error}' makes the condition longer than the limit"
            raise Rejected(COMPILE_CONDITION, message, context, None, "split the list or the rule") from None
        self.used_lists.update(expansion.used)
        return ConditionText(pieces, glue, written, expansion)

    def parse(self, text: ConditionText, context: Context) -> Parsed:
        """Parse a condition. Raises Rejected."""
        parsed = self.cache.parse(text.text)
        if isinstance(parsed, ConditionError):
            raise condition_rejected(parsed.message, parsed.pos, text, context, text.text, self.collector)
        return parsed

    def warn_unused(self) -> None:
        """Warn of macros and lists that nothing refers to."""
        for name, state in self.macros.items():
            if name not in self.used_macros:
                message = "Macro not referred to by any other rule/macro"
                self.sink.warning(
                    "LOAD_UNUSED_MACRO", message, state.item.context, None, "remove it, or use it"
                )
        self._follow_lists()
        for name, item in self.collector.lists.items():
            if name not in self.used_lists:
                message = "List not referred to by any other rule/macro"
                self.sink.warning("LOAD_UNUSED_LIST", message, item.context, None, "remove it, or use it")

    def _follow_lists(self) -> None:
        """Count what used lists refer to as used."""
        waiting = list(self.used_lists)
        while waiting:
            for other in self.lists[waiting.pop()].refers_to - self.used_lists:
                self.used_lists.add(other)
                waiting.append(other)

    def warn_list_typos(self, parsed: Parsed, text: ConditionText, context: Context, sink: Sink) -> None:
        """Warn of constants that look like misspelt lists. Falco says nothing, so this is for people only."""
        if self.collector.settings.first_error_only:
            return
        for literal, name in self._typos.find(parsed.root):
            word = literal.value.decode("latin-1")
            message = f"'{word}' is not a list, so it is compared as a text"
            at = text.context(context, literal.pos, text.written)
            sink.warning(
                "LOAD_COMPILE_CONDITION",
                message,
                at,
                text.spot(literal.pos),
                f"did you mean the list {name}?",
            )

    def _parse_macros(self) -> None:
        for name, item in self.collector.macros.items():
            context = item.condition_context or item.context
            try:
                text = self.expand(item.condition, " ", context)
                state = self.macros[name] = MacroState(item, text, self.parse(text, context))
                self.warn_list_typos(state.parsed, text, context, self.sink)
            except Rejected as rejected:
                self.broken.add(name)
                self.sink.reject(rejected)

    def _resolve_macros(self) -> None:
        for name, state in self.macros.items():
            try:
                limit = state.item.visibility
                state.resolved = self.resolve(name, state.parsed, state.text, state.item.context, limit)
            except Rejected as rejected:
                self.sink.reject(rejected)
            if state.resolved is None:
                self.broken.add(name)
            else:
                self.resolver.resolved[name] = state.resolved

    def resolve(
        self, name: str, parsed: Parsed, text: ConditionText, context: Context, limit: int | None = None
    ) -> Resolved | None:
        """Resolve the macros of a condition; only those defined before ``limit``, if there is one.

        ``name`` is the macro's or the rule's. If nothing that went into it changed since an earlier file, the
        result is the same object. ``None`` if it uses a broken macro, which was reported already. Raises
        Rejected.
        """
        parts = (parsed, *(self.resolver.resolved.get(one.name) for one in parsed.references))
        key = (name, limit is None)
        known = self.cache.resolved.get(key)
        if known is not None and known.holds(parts, limit):
            self.used_macros |= known.resolved.macros
            return known.resolved
        resolved = self._resolve(parsed, text, context, limit, name if limit is not None else "")
        if resolved is not None and None not in parts:
            self.cache.resolved[key] = KnownCondition(parts, limit, resolved)
        return resolved

    def _resolve(
        self, parsed: Parsed, text: ConditionText, context: Context, limit: int | None, own_name: str
    ) -> Resolved | None:
        def visible(other: str) -> bool:
            state = self.macros.get(other)
            in_sight = state is not None and (limit is None or state.item.index < limit)
            return in_sight and other not in self.broken

        try:
            resolved = self.resolver.resolve(parsed, visible, own_name)
        except MacroError as error:
            if error.name in self.broken:
                return None
            self.broken |= error.circle
            if not error.name:  # the budget is spent: one message is enough
                self.broken.update(self.macros)
            raise self._macro_rejected(error, text, context) from None
        self.used_macros |= resolved.macros
        return resolved

    def _macro_rejected(self, error: MacroError, text: ConditionText, context: Context) -> Rejected:
        pos = error.reference.pos
        undefined = error.message.startswith("Undefined")
        hint = (
            undefined_macro_advice(error.name, context, self.collector) if undefined else "break the circle"
        )
        return Rejected(
            "LOAD_ERR_VALIDATE", error.message, text.context(context, pos, text.written), text.spot(pos), hint
        )


def _all_same(first: tuple[object, ...], second: tuple[object, ...]) -> bool:
    return len(first) == len(second) and all(one is other for one, other in zip(first, second))


def condition_rejected(  # noqa: PLR0913, PLR0917
    message: str,
    pos: int,
    text: ConditionText,
    context: Context,
    shown: str,
    collector: Collector,
    condition: tree.Condition | None = None,
) -> Rejected:
    """Make the refusal of a condition that does not parse or has a type error; Falco shows ``shown``."""
    hint = condition_advice(message, pos, text, collector, condition)
    return Rejected(COMPILE_CONDITION, message, text.context(context, pos, shown), text.spot(pos), hint)
