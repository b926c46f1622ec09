"""Read YAML into nodes with PyYAML's events, within stated bounds.

PyYAML's C parser is used where it is there; the pure one reads the same. Anything beyond these bounds is
an error with a place, never a crash: :data:`MAX_BYTES` of file, :data:`MAX_DEPTH` of nesting,
:data:`MAX_NODES` after aliases are expanded.
"""

from __future__ import annotations

import re
from typing import Any, Union

import yaml

from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.pure_yaml import PureLoader
from agent.language.source import Place

MAX_BYTES = 4 << 20
"""Largest rules file in bytes."""
MAX_DEPTH = 32
"""Deepest nesting of sequences and mappings; Falco's rules need five."""
MAX_NODES = 1_000_000
"""Most nodes in one file, each alias counted as what it stands for."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BREAKS = {"\x85": "\ue085", "\u2028": "\ue086", "\u2029": "\ue087"}
_TO_PLACEHOLDERS = str.maketrans(_BREAKS)
_FROM_PLACEHOLDERS = str.maketrans({mark: char for char, mark in _BREAKS.items()})
_UNICODE_BREAK = re.compile("[\x85\u2028\u2029]")

_Collection = Union[Sequence, Mapping]
_FAST: Any = getattr(yaml, "CSafeLoader", None)


class YamlError(ValueError):
    """The text is no YAML, or goes beyond a bound."""

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint


def decode(content: bytes) -> str:
    """Decode a rules file: UTF-8, or UTF-16 with a byte order mark, which is dropped.

    Raises YamlError, with a place, for anything else and for files over :data:`MAX_BYTES`.
    """
    if len(content) > MAX_BYTES:
        raise YamlError(
            f"file has {len(content)} bytes, the limit is {MAX_BYTES}",
            Place(0, 0),
            "split the file; Falco's rules together have a quarter of a megabyte",
        )
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n")
        column = len(before[before.rfind(b"\n") + 1 :].decode(encoding, "replace"))
        bad = content[error.start]
        raise YamlError(
            f"the file is not {encoding.upper()}: byte 0x{bad:02x}",
            Place(line, column),
            "save the file as UTF-8",
        ) from error
    return text.removeprefix("\ufeff")


def read_yaml(text: str, *, pure: bool = False) -> list[AnyNode]:
    """Read every document of ``text``. ``pure`` keeps to the parser in Python.

    Raises YamlError.
    """
    replaced = bool(_UNICODE_BREAK.search(text))
    source = text.translate(_TO_PLACEHOLDERS) if replaced else text
    loader = PureLoader if pure or _FAST is None else _FAST
    builder = _Builder(replaced=replaced)
    try:
        for event in yaml.parse(source, Loader=loader):
            builder.add(event)
    except yaml.YAMLError as error:
        if loader is _FAST:
            _raise_in_pure_words(source)
        raise _yaml_error(error, source) from error
    return builder.documents


def _raise_in_pure_words(source: str) -> None:
    """Raise the pure parser's error, so that messages do not depend on the parser used."""
    try:
        for _ in yaml.parse(source, Loader=PureLoader):
            pass
    except yaml.YAMLError as error:
        raise _yaml_error(error, source) from error


def _yaml_error(error: yaml.YAMLError, source: str) -> YamlError:
    if isinstance(error, yaml.reader.ReaderError):
        before = source[: error.position]
        place = Place(before.count("\n"), len(before) - before.rfind("\n") - 1)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return YamlError(
            f"character U+{code:04X} is not allowed in YAML",
            place,
            "remove it, or write it as an escape in double quotes",
        )
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = Place(mark.line, mark.column) if mark is not None else Place(0, 0)
    problem = getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None)
    message = f"{problem} ({context})" if context else problem
    return YamlError(message, place, _yaml_hint(message))


def _yaml_hint(message: str) -> str:
    if "mapping values are not allowed" in message:
        return "quote a value that contains ': '"
    if "found a tab" in message or ("cannot start any token" in message and "\\t" in message):
        return "indent with blanks, not with tabs"
    if "cannot start any token" in message:
        return "quote a value that begins with this character"
    if "found unexpected end of stream" in message:
        return "close the quote"
    if "expected <block end>" in message or "did not find expected" in message:
        return "check the indentation: keys of one item start in the same column"
    return ""


class _Builder:
    """Nodes from events, with a stack instead of recursion."""

    def __init__(self, *, replaced: bool) -> None:
        self.documents: list[AnyNode] = []
        self._replaced = replaced
        self._stack: list[_Collection] = []
        self._keys: list[AnyNode | None] = []
        self._anchors: dict[str, AnyNode] = {}
        self._open_anchors: dict[int, str] = {}
        self._empty: Null | None = None
        self._total = 0

    def add(self, event: Any) -> None:
        if self._empty is not None:
            mark = event.start_mark
            self._empty.line, self._empty.column = mark.line, mark.column
            self._empty = None
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}

    def _scalar(self, event: Any) -> None:
        mark = event.start_mark
        value = event.value.translate(_FROM_PLACEHOLDERS) if self._replaced else event.value
        style = event.style or ""
        node: AnyNode
        if style in {"", ":"} and event.tag is None and value in _NULLS:
            node = Null(mark.line, mark.column)
            if not value:
                self._empty = node
        else:
            node = Scalar(mark.line, mark.column, value, style, mark.index, event.end_mark.index)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._place(node, 1, mark)

    def _start(self, event: Any) -> None:
        mark = event.start_mark
        if len(self._stack) >= MAX_DEPTH:
            raise YamlError(f"nested more than {MAX_DEPTH} levels deep", Place(mark.line, mark.column))
        make = Sequence if isinstance(event, yaml.SequenceStartEvent) else Mapping
        node: _Collection = make(mark.line, mark.column)
        if event.anchor:
            self._open_anchors[len(self._stack)] = event.anchor
            self._anchors.pop(event.anchor, None)
        self._stack.append(node)
        self._keys.append(None)

    def _end(self) -> None:
        node = self._stack.pop()
        self._keys.pop()
        anchor = self._open_anchors.pop(len(self._stack), None)
        if anchor is not None:
            self._anchors[anchor] = node
        self._place(node, node.weight, node)

    def _alias(self, event: Any) -> None:
        mark = event.start_mark
        node = self._anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self._open_anchors.values()
            problem = "refers to itself" if inside else "is not defined"
            raise YamlError(f"alias *{event.anchor} {problem}", Place(mark.line, mark.column))
        self._place(node, getattr(node, "weight", 1), mark)

    def _place(self, node: AnyNode, weight: int, mark: Any) -> None:
        if not self._stack:
            self.documents.append(node)
            return
        parent = self._stack[-1]
        parent.weight += weight
        if parent.weight > MAX_NODES:
            raise YamlError(
                f"more than {MAX_NODES} values, with aliases counted as what they stand for",
                Place(mark.line, mark.column),
            )
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._keys[-1] is None:
            self._keys[-1] = node
        else:
            parent.items.append((self._keys[-1], node))
            self._keys[-1] = None
