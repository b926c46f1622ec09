"""The output of a rule: put together with ``append_output``, parsed, and checked for old fields."""

from __future__ import annotations

from agent.language.advice import output_advice
from agent.language.conditions import encode
from agent.language.items import RuleItem, joined
from agent.language.lint import DEPRECATED_FIELDS
from agent.language.lists import Expansion
from agent.language.located import ConditionText
from agent.language.output import Output, OutputError, parse_output
from agent.language.settings import AppendOutput
from agent.language.sink import Context, Rejected, Sink

UNKNOWN_NAMES = ("nonexistent field", "is no field", "unknown event type")
"""Errors of these kinds ``skip-if-unknown-filter`` turns into warnings."""
CONTAINER_INFO = "%container.info"
_CONTAINER_INFO_WARNING = (
    "%container.info is deprecated and no more useful, and will be dropped by Falco 1.0.0. "
    "The container plugin will automatically add required fields to the output message."
)


def applies(entry: AppendOutput, item: RuleItem) -> bool:
    """Whether an ``append_output`` entry is for this rule."""
    return entry.source in {"", item.source} and entry.rule in {"", item.name} and entry.tags <= item.tags


def is_unknown_name(message: str) -> bool:
    """Whether an error is one that ``skip-if-unknown-filter`` makes a warning."""
    return any(part in message for part in UNKNOWN_NAMES)


def compile_output(
    item: RuleItem, appended: tuple[AppendOutput, ...], own: Sink
) -> tuple[str, Output] | None:
    """Put the output together and parse it; ``None`` if the rule is to be skipped. Raises Rejected."""
    text = " ".join([joined(item.output), *(entry.extra_output for entry in appended if entry.extra_output)])
    if CONTAINER_INFO in text:
        own.warning(
            "LOAD_DEPRECATED_ITEM", _CONTAINER_INFO_WARNING, item.context, None, "remove %container.info"
        )
        text = text.replace(CONTAINER_INFO, "")
    context = item.output_context or item.context
    try:
        output = _parse(text)
    except OutputError as error:
        message = str(error)
        hint = output_advice(text, error)
        if item.skip_if_unknown_filter and is_unknown_name(message):
            own.warning("LOAD_UNKNOWN_FILTER", message, context, None, hint)
            return None
        spot = ConditionText(item.output, " ", text, Expansion(text)).spot(max(error.pos - 1, 0))
        raise Rejected("LOAD_ERR_COMPILE_OUTPUT", message, context, spot, hint) from None
    _warn_deprecated_output(text, context, own)
    for extra in (extra for entry in appended for extra in entry.extra_fields):
        try:
            _parse(f"%{extra.format}" if extra.raw else extra.format)
        except OutputError as error:
            hint = output_advice(extra.format, error)
            raise Rejected("LOAD_ERR_COMPILE_OUTPUT", str(error), context, None, hint) from None
        _warn_deprecated_output(extra.format, context, own)
    return text, output


def _parse(text: str) -> Output:
    """Parse an output; Falco puts a ``*`` before each, so that missing values print as ``<NA>``."""
    return parse_output(b"*" + encode(text))


def _warn_deprecated_output(text: str, context: Context, own: Sink) -> None:
    for name in DEPRECATED_FIELDS:
        if name in text:
            message = f"usage of deprecated field '{name}' has been detected in the rule output"
            own.warning("LOAD_DEPRECATED_ITEM", message, context, None, f"remove %{name}")
