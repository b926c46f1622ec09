"""Read the ``exceptions`` key of a rule."""

from __future__ import annotations

from agent.language.decode import VALIDATE_YAML, Reader
from agent.language.items import Entry, ExceptionItem
from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.sink import Context, Rejected, Sink


def read_exceptions(reader: Reader, sink: Sink, *, appending: bool) -> list[ExceptionItem]:
    """Read every exception. ``appending`` makes ``fields`` optional. Raises Rejected."""
    node = reader.mapping.get("exceptions")
    if node is None or isinstance(node, Null):
        return []
    context = reader.context.child("exceptions", "", node)
    if not isinstance(node, Sequence):
        hint = "write a list: '- name: …' with fields and values"
        raise Rejected(VALIDATE_YAML, "Rule exceptions must be a sequence", context, node, hint)
    found: list[ExceptionItem] = []
    for item in node.items:
        if not isinstance(item, Mapping):
            anonymous = context.child("exception", "", item)
            raise Rejected(
                VALIDATE_YAML, "Rule exception must be a mapping", anonymous, item, "write '- name: …'"
            )
        found.append(_read_one(Reader(item, context), reader, found, sink, appending=appending))
    return found


def _read_one(  # the rule's reader gives the context that Falco reports for a named exception
    entry: Reader, rule: Reader, earlier: list[ExceptionItem], sink: Sink, *, appending: bool
) -> ExceptionItem:
    node = entry.mapping
    name = Reader(node, entry.context.child("exception", "", node)).text("name")
    context = rule.context.child("exception", name, node)
    if any(name == other.name for other in earlier):
        message = f"Multiple definitions of exception '{name}' in the same rule"
        hint = "merge them, or give each a name of its own"
        sink.warning("LOAD_EXCEPTION_NAME_NOT_UNIQUE", message, context, None, hint)
    reader = Reader(node, context)
    item = ExceptionItem(name, context)
    item.fields = _read_entry(reader, "fields", required=not appending)
    item.comps = _read_entry(reader, "comps", required=False)
    values = node.get("values")
    if values is not None:
        item.values = _read_values(values, context)
    elif appending:
        hint = "add 'values:'"
        if "value" in node.pairs():
            hint = "'value' is not a key of an exception; write 'values:' and a list"
        sink.warning(
            "LOAD_APPEND_NO_VALUES", "Overriding/appending exception with no values", context, None, hint
        )
    return item


def _read_values(values: AnyNode, context: Context) -> list[Entry]:
    values_context = context.child("exception values", "", values)
    if not isinstance(values, Sequence):
        message = "Rule exception values must be a sequence"
        raise Rejected(VALIDATE_YAML, message, values_context, values, "write 'values: [[a, b], [c, d]]'")
    return [_entry(value, values_context.child("exception value", "", value), "") for value in values.items]


def _read_entry(reader: Reader, key: str, *, required: bool) -> Entry:
    value = reader.mapping.get(key)
    if value is None:
        if required:
            reader.scalar(key)  # raises: there is none
        return Entry()
    return _entry(value, reader.context, key)


def _entry(value: AnyNode, context: Context, key: str) -> Entry:
    """Read nested lists of scalars; anything else says nothing."""
    inner = context.child("value for", key, value)
    if isinstance(value, Scalar):
        if not value.value:
            hint = (
                "write '\"\"' inside a list in quotes twice ('\"\"') for an empty text"
                if not key
                else f"give '{key}' a value"
            )
            raise Rejected(VALIDATE_YAML, "Value must be non-empty", inner, value, hint)
        return Entry(text=value.value, origin=value)
    if isinstance(value, Sequence):
        items = [_entry(item, inner.child("exception", "", item), "") for item in value.items]
        return Entry(is_list=True, items=items)
    return Entry()
