"""Read the items of one rules file and hand them to the collector."""

from __future__ import annotations

import re

from agent.language.collector import Collector
from agent.language.decode import VALIDATE_YAML, Reader, did_you_mean, parse_unsigned
from agent.language.items import ListItem, MacroItem, Piece, PluginAlternative
from agent.language.lists import MAX_ODD_NAMES
from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.overrides import APPEND, BOTH, DEPRECATED_APPEND, read_overrides
from agent.language.read_rule import RuleReader
from agent.language.scalars import SourceText
from agent.language.sink import Context, NotDefinedError, Rejected, Sink
from agent.language.version import Version, parse_version
from agent.language.yaml_reader import YamlError, decode, read_yaml

_IDENTIFIER = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*")
_BARE = re.compile(r"""[^()"'\s=,]+""", re.ASCII)
_KINDS = ("required_engine_version", "required_plugin_versions", "list", "macro", "rule")
_KEYS = {
    "list": frozenset({"list", "items", "append", "override"}),
    "macro": frozenset({"macro", "condition", "append", "override"}),
    "rule": frozenset({
        "rule", "condition", "output", "desc", "priority", "source", "enabled", "tags", "exceptions",
        "warn_evttypes", "skip-if-unknown-filter", "capture", "capture_duration", "append", "override",
    }),
}  # fmt: skip


def read_file(name: str, content: bytes, collector: Collector, sink: Sink) -> SourceText:
    """Read every item of a file into the collector; what is wrong goes to ``sink``.

    Raises FirstError if only the first error is wanted.
    """
    source = SourceText(name, "")
    root = Context.root(source)
    try:
        source = SourceText(name, decode(content))
        root = Context.root(source)
        documents = read_yaml(source.text)
    except YamlError as error:
        at = Context(source, "value for", "", error.place, root)
        sink.error("LOAD_ERR_YAML_PARSE", error.message, at, None, error.hint)
        return source
    for document in documents:
        if not isinstance(document, Null):
            _read_document(document, root, collector, sink)
    return source


def _read_document(document: AnyNode, root: Context, collector: Collector, sink: Sink) -> None:
    if not isinstance(document, Sequence):
        message = "Rules content is not yaml"
        if isinstance(document, Mapping):
            message += " array of objects"
        sink.error(
            VALIDATE_YAML, message, root, document, "a rules file is a list: begin each item with '- '"
        )
        return
    for item in document.items:
        if isinstance(item, Null):
            continue
        try:
            _read_item(item, root, collector, sink)
        except Rejected as rejected:
            if isinstance(rejected, NotDefinedError) and rejected.name in collector.broken[rejected.kind]:
                continue  # its definition was refused: one message is enough
            _note_broken(item, collector)
            sink.reject(rejected)


def _note_broken(item: AnyNode, collector: Collector) -> None:
    for kind, names in collector.broken.items():
        name = item.get(kind) if isinstance(item, Mapping) else None
        if isinstance(name, Scalar):
            names.add(name.value)


def _read_item(item: AnyNode, root: Context, collector: Collector, sink: Sink) -> None:
    if not isinstance(item, Mapping):
        message = "Unexpected element type. Each element should be a yaml associative array."
        context = root.child("rules content item", "", item)
        raise Rejected(VALIDATE_YAML, message, context, item, "write '- rule: name' and its keys below it")
    kind = next((key for key in _KINDS if key in item.pairs()), None)
    if kind == "required_engine_version":
        _read_engine_version(item, root, collector)
    elif kind == "required_plugin_versions":
        _read_plugin_versions(item, root, collector)
    elif kind == "list":
        _read_list(item, root, collector, sink)
    elif kind == "macro":
        _read_macro(item, root, collector, sink)
    elif kind == "rule":
        reader = _named(item, "rule", root)
        RuleReader(reader, collector, sink).read()
        _warn_unknown_keys(reader, "rule", sink)
    else:
        _warn_unknown_item(item, root, sink)


def _warn_unknown_item(item: Mapping, root: Context, sink: Sink) -> None:
    first = next(item.scalar_keys(), None)
    close = did_you_mean(first.value, _KINDS) if first is not None else ""
    context = root.child("rules content item", "", item)
    hint = close or f"an item has one of the keys {', '.join(_KINDS)}; this one is ignored"
    sink.warning("LOAD_UNKNOWN_ITEM", "Unknown top level item", context, first, hint)


def _named(item: Mapping, kind: str, root: Context) -> Reader:
    name = Reader(item, root.child(kind, "", item)).text(kind)
    return Reader(item, root.child(kind, name, item))


def _warn_unknown_keys(reader: Reader, kind: str, sink: Sink) -> None:
    known = _KEYS[kind]
    for key in reader.mapping.scalar_keys():
        if key.value not in known:
            hint = did_you_mean(key.value, known) or f"keys of a {kind}: {', '.join(sorted(known))}"
            message = f"Unknown key '{key.value}'. The key will be ignored."
            sink.warning("LOAD_UNKNOWN_KEY", message, reader.context, key, hint)


def _read_engine_version(item: Mapping, root: Context, collector: Collector) -> None:
    reader = Reader(item, root.child("required_engine_version", "", item))
    node = reader.scalar("required_engine_version")
    number = parse_unsigned(node.value)
    version = Version(0, number, 0) if number is not None else parse_version(node.value)
    if version is None:
        message = (
            f"Unable to parse engine version '{node.value}' as a semver string. "
            'Expected "x.y.z" semver format.'
        )
        raise reader.rejected(message, node, f"write it as {collector.settings.engine_version}")
    collector.require_engine(version, reader.context)


def _read_plugin_versions(item: Mapping, root: Context, collector: Collector) -> None:
    node = item.get("required_plugin_versions")
    if node is None:
        return
    context = root.child("required plugin versions", "", node)
    if not isinstance(node, Sequence):
        message = "Value of required_plugin_versions must be a sequence"
        raise Rejected(VALIDATE_YAML, message, context, node, "write '- name: …' and 'version: …'")
    for plugin in node.items:
        kind = "required plugin versions entry"
        first, entry = _read_alternative(plugin, context, kind, "Plugin version must be a mapping")
        found = [first]
        others = entry.mapping.get("alternatives")
        if others is not None:
            if not isinstance(others, Sequence):
                message = "Value of plugin version alternatives must be a sequence"
                raise Rejected(
                    VALIDATE_YAML, message, entry.context, others, "write '- name: …' and 'version: …'"
                )
            kind = "required plugin versions alternative"
            wrong = "Plugin version alternative must be a mapping"
            found += [_read_alternative(other, entry.context, kind, wrong)[0] for other in others.items]
        collector.require_plugin(found, entry.context)


def _read_alternative(
    node: AnyNode, parent: Context, kind: str, wrong: str
) -> tuple[PluginAlternative, Reader]:
    anonymous = parent.child(kind, "", node)
    if not isinstance(node, Mapping):
        raise Rejected(VALIDATE_YAML, wrong, anonymous, node, "write '- name: …' and 'version: …'")
    name = Reader(node, anonymous).text("name")
    reader = Reader(node, parent.child(kind, name, node))
    return PluginAlternative(name, reader.text("version"), node), reader


def _appends(reader: Reader, key: str, sink: Sink) -> bool:
    """Whether a list or macro appends its one key, by ``append`` or by ``override``."""
    append = reader.boolean("append", default=False)
    if append:
        _warn_deprecated_append(reader, sink)
    overrides = read_overrides(reader, frozenset({key}), frozenset({key}))
    if append and overrides:
        raise reader.rejected(BOTH, reader.mapping.key("append"), "remove 'append: true'")
    return append or key in overrides.append


def _warn_deprecated_append(reader: Reader, sink: Sink) -> None:
    sink.warning("LOAD_DEPRECATED_ITEM", DEPRECATED_APPEND, reader.context, reader.mapping.key(APPEND))


def _read_list(item: Mapping, root: Context, collector: Collector, sink: Sink) -> None:
    reader = _named(item, "list", root)
    name = reader.text("list")
    if not _BARE.fullmatch(name):
        message = (
            "List has an invalid name. List names should match a regular expression: ([^()\"'[:space:]=,]+)"
        )
        sink.warning("LOAD_INVALID_LIST_NAME", message, reader.context, reader.mapping.get("list"))
        collector.odd_lists.add(name)
        if len(collector.odd_lists) > MAX_ODD_NAMES:
            message = f"more than {MAX_ODD_NAMES} lists have such names"
            raise reader.rejected(message, item, "name lists with letters, digits and _")
    found = ListItem(name, reader.context, items=reader.scalars("items", required=True))
    appends = _appends(reader, "items", sink)
    (collector.append_list if appends else collector.define_list)(found)
    _warn_unknown_keys(reader, "list", sink)


def _read_macro(item: Mapping, root: Context, collector: Collector, sink: Sink) -> None:
    reader = _named(item, "macro", root)
    name = reader.text("macro")
    if not _IDENTIFIER.fullmatch(name):
        message = (
            "Macro has an invalid name. "
            "Macro names should match a regular expression: ([a-zA-Z]+[a-zA-Z0-9_]*)"
        )
        hint = "a condition can only name macros made of letters, digits and _"
        sink.warning("LOAD_INVALID_MACRO_NAME", message, reader.context, reader.mapping.get("macro"), hint)
    condition = reader.scalar("condition")
    found = MacroItem(name, reader.context, condition=[Piece(condition.value, condition, reader.context)])
    found.condition_context = reader.context.child("macro condition", "", condition)
    appends = _appends(reader, "condition", sink)
    (collector.append_macro if appends else collector.define_macro)(found)
    _warn_unknown_keys(reader, "macro", sink)
