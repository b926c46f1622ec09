"""A YAML document as text with places: types are decided by whoever reads a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

import yaml

from agent.config.problem import ERROR, WARNING, ConfigError, Place, Problem

_LARGEST = 200_000
_NULL = frozenset({"", "~", "null", "Null", "NULL"})

Content = Union[str, list["Node"], dict[str, "Node"], None]


@dataclass
class Node:
    """One value: text of a scalar, items of a sequence, entries of a map, or ``None`` for null."""

    content: Content
    place: Place

    @property
    def kind(self) -> str:
        """What it is, for messages."""
        if isinstance(self.content, dict):
            return "a map"
        if isinstance(self.content, list):
            return "a sequence"
        return "nothing" if self.content is None else repr(self.content)


def parse(text: bytes, file: str, problems: list[Problem]) -> Node:
    """Return the document, a map. Adds warnings to ``problems``; raises ConfigError if it is no YAML map."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise ConfigError([Problem(ERROR, place, f"not YAML: {error.problem or error.context}")]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError([Problem(ERROR, Place(file), f"not YAML: {reason}")]) from None
    if root is None:
        return Node({}, Place(file, 1, 1))
    node = _Conversion(file, problems).node(root)
    if not isinstance(node.content, dict):
        raise ConfigError([Problem(ERROR, node.place, f"a configuration is a map, not {node.kind}")])
    return node


class _Conversion:
    """Turns PyYAML's nodes into ours; an alias becomes the same node again."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file, self._problems = file, problems
        self._known: dict[int, tuple[Node, int]] = {}
        self._size = 0

    def node(self, source: yaml.Node) -> Node:
        """Return our node. Raises ConfigError if aliases make it endless or huge."""
        known, before = self._known.get(id(source)), self._size
        if known is not None:
            self._grow(source, known[1])
            return known[0]
        self._known[id(source)] = (Node(None, self._place(source)), _LARGEST)  # it may not contain itself
        node = self._new(source)
        self._grow(source, 1)
        self._known[id(source)] = (node, self._size - before)
        return node

    def _grow(self, source: yaml.Node, size: int) -> None:
        self._size += size
        if self._size >= _LARGEST:
            raise ConfigError(
                [Problem(ERROR, self._place(source), "aliases make this too large, or endless")]
            )

    def _new(self, source: yaml.Node) -> Node:
        node = Node(None, self._place(source))
        if isinstance(source, yaml.ScalarNode):
            node.content = None if source.style is None and source.value in _NULL else source.value
        elif isinstance(source, yaml.SequenceNode):
            node.content = [self.node(item) for item in source.value]
        elif isinstance(source, yaml.MappingNode):
            node.content = self._entries(source)
        return node

    def _entries(self, source: yaml.MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in source.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                raise ConfigError([Problem(ERROR, self._place(key), "a key must be text")])
            if name in entries:
                text = f"{name} is given twice: the first one counts, as in Falco"
                self._problems.append(Problem(WARNING, self._place(key), text))
            else:
                entries[name] = self.node(value)
        return entries

    def _place(self, source: yaml.Node) -> Place:
        mark = source.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)


def lookup(root: Node, path: Sequence[str | int]) -> Node | None:
    """Return the value at a key path, ``None`` if there is none."""
    node: Node | None = root
    for step in path:
        content = None if node is None else node.content
        if isinstance(content, dict) and isinstance(step, str):
            node = content.get(step)
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            node = content[step]
        else:
            return None
    return node
