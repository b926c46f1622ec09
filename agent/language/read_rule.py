"""Read one rule item: a definition, an append, an override, or the old way to enable a rule."""

from __future__ import annotations

from agent.language.collector import Collector
from agent.language.decode import Reader
from agent.language.items import Piece, RuleChange, RuleItem
from agent.language.overrides import (
    APPEND,
    BOTH,
    DEPRECATED_APPEND,
    REPLACE,
    RULE_APPEND,
    RULE_REPLACE,
    Overrides,
    read_overrides,
)
from agent.language.read_exceptions import read_exceptions
from agent.language.sink import Sink

_TRIMMED = " \t\r\n\v\f"
_DEFINING = ("condition", "output", "desc", "priority")
_APPENDED = ("condition", "exceptions", "output", "desc", "tags")
_REPLACED = (
    *_APPENDED,
    "priority",
    "capture",
    "capture_duration",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
)
"""Keys of an override in the order in which Falco looks at them."""
_OLD_ENABLED = (
    "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry "
    "under the 'override' key (i.e. 'enabled: replace')."
)


class RuleReader:
    """Reads one item that has the key ``rule``."""

    def __init__(self, reader: Reader, collector: Collector, sink: Sink) -> None:
        self.reader = reader
        self.collector = collector
        self.sink = sink
        self.name = reader.context.name
        self.context = reader.context

    def read(self) -> None:
        """Read the item into the collector. Raises Rejected."""
        reader = self.reader
        append = reader.boolean("append", default=False)
        if append:
            self.sink.warning(
                "LOAD_DEPRECATED_ITEM", DEPRECATED_APPEND, self.context, reader.mapping.key("append")
            )
        overrides = read_overrides(reader, RULE_APPEND, RULE_REPLACE)
        if append and overrides:
            raise reader.rejected(BOTH, reader.mapping.key("append"), "remove 'append: true'")
        if overrides:
            self._override(overrides)
        elif append:
            self._append()
        elif not any(reader.has(key) for key in _DEFINING):
            self._enable()
        else:
            self._define()

    def _piece(self, key: str) -> Piece:
        node = self.reader.scalar(key)
        return Piece(node.value, node, self.context)

    def _tags(self) -> set[str]:
        return {node.value for node in self.reader.scalars("tags", required=False)}

    def _override(self, overrides: Overrides) -> None:
        unclaimed = {key for key in RULE_REPLACE if self.reader.has(key)}
        if overrides.append:
            change = RuleChange(self.name, self.context)
            for key in _APPENDED:
                if key in overrides.append:
                    self._claim(unclaimed, key, APPEND)
                    self._change(change, key, appending=True)
            self.collector.append_rule(change)
        if overrides.replace:
            change = RuleChange(self.name, self.context)
            for key in _REPLACED:
                if key in overrides.replace:
                    self._claim(unclaimed, key, REPLACE)
                    self._change(change, key, appending=False)
            self.collector.replace_in_rule(change)
        for key in sorted(unclaimed):
            node = self.reader.mapping.key(key)
            message = f"Unexpected key '{key}': no corresponding entry under 'override' is defined."
            context = self.context.child("overrides", key, self.reader.mapping.get(key) or node)
            both = "append' or '" if key in RULE_APPEND else ""
            raise self.reader.rejected(message, node, f"add '{key}: {both}replace' under 'override'", context)

    def _claim(self, unclaimed: set[str], key: str, operation: str) -> None:
        if key not in unclaimed:
            override = self.reader.mapping.key("override")
            message = f"An {operation} override for '{key}' was specified but '{key}' is not defined"
            raise self.reader.rejected(
                message, override, f"add '{key}:' to this item, or remove it from 'override'"
            )
        unclaimed.remove(key)

    def _change(self, change: RuleChange, key: str, *, appending: bool) -> None:
        reader = self.reader
        if key in {"condition", "output"}:
            setattr(change, key, self._piece(key))
        elif key == "exceptions":
            change.exceptions = read_exceptions(reader, self.sink, appending=appending)
        elif key == "desc":
            change.desc = reader.text(key)
        elif key == "tags":
            change.tags = self._tags()
        elif key == "priority":
            change.priority = reader.priority()
        elif key == "capture_duration":
            change.capture_duration_ms = reader.unsigned(key)
        else:
            setattr(change, key.replace("-", "_"), reader.boolean(key))

    def _append(self) -> None:
        reader = self.reader
        change = RuleChange(self.name, self.context)
        if reader.has("condition"):
            change.condition = self._piece("condition")
        if reader.has("exceptions"):
            change.exceptions = read_exceptions(reader, self.sink, appending=True)
        self.collector.append_rule(change)

    def _enable(self) -> None:
        enabled = self.reader.boolean("enabled")
        key = self.reader.mapping.key("enabled")
        self.sink.warning("LOAD_DEPRECATED_ITEM", _OLD_ENABLED, self.context, key)
        self.collector.enable_rule(self.name, self.context, enabled=enabled)

    def _define(self) -> None:
        reader, context = self.reader, self.context
        condition = self._piece("condition")
        output = self._piece("output")
        output.text = output.text.strip(_TRIMMED)
        desc = reader.text("desc")
        rule = RuleItem(self.name, context, condition=[condition], output=[output], desc=desc)
        rule.priority = reader.priority()
        if condition.origin is not None and output.origin is not None:
            rule.condition_context = context.child("rule condition", "", condition.origin)
            rule.output_context = context.child("rule output", "", output.origin)
        if reader.has("source"):
            rule.source = reader.text("source")
        rule.enabled = reader.boolean("enabled", default=True)
        rule.warn_evttypes = reader.boolean("warn_evttypes", default=True)
        rule.skip_if_unknown_filter = reader.boolean("skip-if-unknown-filter", default=False)
        rule.capture = reader.boolean("capture", default=False)
        rule.capture_duration_ms = reader.unsigned("capture_duration", default=0)
        rule.tags = self._tags()
        rule.exceptions = read_exceptions(reader, self.sink, appending=False)
        self.collector.define_rule(rule, self.sink)
