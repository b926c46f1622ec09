"""The ``override`` key: which keys of an item append to, or replace, those of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.language.decode import VALIDATE, Reader
from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.sink import Context, Rejected

APPEND = "append"
REPLACE = "replace"

RULE_APPEND = frozenset({"condition", "output", "desc", "tags", "exceptions"})
RULE_REPLACE = RULE_APPEND | {
    "priority", "capture", "capture_duration", "enabled", "warn_evttypes", "skip-if-unknown-filter",
}  # fmt: skip

BOTH = (
    "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry "
    "(e.g. 'condition: append') under 'override' instead."
)
DEPRECATED_APPEND = (
    "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead."
)


@dataclass
class Overrides:
    """Keys to append and keys to replace."""

    append: set[str] = field(default_factory=set)
    replace: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.append or self.replace)


def read_overrides(reader: Reader, appendable: frozenset[str], replaceable: frozenset[str]) -> Overrides:
    """Read ``override``. Raises Rejected."""
    found = Overrides()
    value = reader.mapping.get("override")
    if isinstance(value, Sequence):
        raise Rejected(
            VALIDATE,
            "invalid node; this may result from using a map iterator as a sequence iterator, or vice-versa",
            _root(reader.context),
            value,
            "write one 'key: append' or 'key: replace' a line below 'override:'",
        )
    if not isinstance(value, Mapping):
        return found
    context = reader.context.child("overrides", "", reader.mapping)
    for key, operation in value.items:
        _read_one(found, _Entry(key, operation, context), appendable, replaceable)
    return found


def _root(context: Context) -> Context:
    while context.parent is not None:
        context = context.parent
    return context


@dataclass
class _Entry:
    key: AnyNode
    operation: AnyNode
    context: Context


def _read_one(
    found: Overrides, entry: _Entry, appendable: frozenset[str], replaceable: frozenset[str]
) -> None:
    name, operation = _scalar_text(entry.key, entry), _scalar_text(entry.operation, entry)
    context = entry.context
    if operation == APPEND:
        if name not in appendable:
            message = f"Key '{name}' cannot be appended to, use 'replace' instead"
            hint = "" if name in replaceable else _overridable(appendable, replaceable)
            at = context.child("overrides", name, entry.key)
            raise Rejected("LOAD_ERR_YAML_VALIDATE", message, at, entry.key, hint)
        found.append.add(name)
    elif operation == REPLACE:
        if name not in replaceable:
            at = context.child("overrides", name, entry.key)
            hint = _overridable(appendable, replaceable)
            raise Rejected("LOAD_ERR_YAML_VALIDATE", f"Key '{name}' cannot be replaced", at, entry.key, hint)
        found.replace.add(name)
    else:
        allowed = ("append " if name in appendable else "") + ("replace " if name in replaceable else "")
        message = f"Invalid override operation for key '{name}': '{operation}'. Allowed values are: {allowed}"
        raise Rejected(
            "LOAD_ERR_YAML_VALIDATE",
            message,
            context.child("value for", name, entry.operation),
            entry.operation,
        )


def _scalar_text(node: AnyNode, entry: _Entry) -> str:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Null):
        return "null"
    raise Rejected(
        VALIDATE, "bad conversion", _root(entry.context), node, "write 'key: append' or 'key: replace'"
    )


def _overridable(appendable: frozenset[str], replaceable: frozenset[str]) -> str:
    return f"append takes {', '.join(sorted(appendable))}; replace takes {', '.join(sorted(replaceable))}"
