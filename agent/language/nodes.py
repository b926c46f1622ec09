"""YAML nodes that know where they stand, as yaml-cpp (Falco's reader) understands YAML.

Scalars are text, whatever they look like; only an untagged plain ``~``, ``null``, ``Null``, ``NULL`` or
nothing at all is null. Of two equal keys the first one counts. Merge keys are ordinary keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from agent.language.source import Place

SCALAR = "scalar"
SEQUENCE = "sequence"
MAPPING = "mapping"
NULL = "null"


class Node:
    """Any node: what it is and where it begins."""

    __slots__ = ("column", "line")
    kind = ""

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.line, self.column)


class Scalar(Node):
    """Text. ``begin`` and ``end`` delimit it in the file's text, with its quotes or block header."""

    __slots__ = ("begin", "end", "style", "value")
    kind = SCALAR

    def __init__(self, line: int, column: int, value: str, style: str, begin: int, end: int) -> None:  # noqa: PLR0913, PLR0917
        super().__init__(line, column)
        self.value = value
        self.style = style
        """``""`` plain, ``'`` or ``"`` quoted, ``|`` literal, ``>`` folded."""
        self.begin = begin
        self.end = end


class Null(Node):
    """No value. Like yaml-cpp, an empty one stands where the next token begins."""

    __slots__ = ()
    kind = NULL


class Sequence(Node):
    """A sequence of nodes."""

    __slots__ = ("items", "weight")
    kind = SEQUENCE

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.items: list[AnyNode] = []
        self.weight = 1
        """Nodes in it and below, aliases counted as often as they are used."""


class Mapping(Node):
    """Key and value nodes in the order written."""

    __slots__ = ("_index", "items", "weight")
    kind = MAPPING

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.items: list[tuple[AnyNode, AnyNode]] = []
        self.weight = 1
        self._index: dict[str, tuple[AnyNode, AnyNode]] | None = None

    def get(self, key: str) -> AnyNode | None:
        """Return the value of ``key``, or ``None`` if the mapping has no such key."""
        pair = self.pairs().get(key)
        return None if pair is None else pair[1]

    def key(self, key: str) -> Node:
        """Return the node of the key itself; the mapping if there is none."""
        pair = self.pairs().get(key)
        return self if pair is None else pair[0]

    def pairs(self) -> dict[str, tuple[AnyNode, AnyNode]]:
        """Scalar keys to key and value nodes; the first of equal keys counts."""
        if self._index is None:
            self._index = {}
            for pair in self.items:
                if isinstance(pair[0], Scalar):
                    self._index.setdefault(pair[0].value, pair)
        return self._index

    def scalar_keys(self) -> Iterator[Scalar]:
        """Every scalar key node, repeated ones too."""
        return (key for key, _ in self.items if isinstance(key, Scalar))


AnyNode = Union[Scalar, Null, Sequence, Mapping]
