"""Playbook files as values that know their places. Pure: text in, values and problems out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.text import printable

Path = tuple[str | int, ...]
"""Keys and indexes from the top of a file down to a value."""

ERROR, WARNING = "error", "warning"
_DEPTH = 32
_NODES = 100_000


@dataclass(frozen=True)
class PlaybookFile:
    """A playbook as it was read from disk or from a release."""

    name: str
    """Name for messages: the path as the operator gave it."""
    content: bytes


@dataclass(frozen=True)
class Place:
    """A point in a file, counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong in a playbook, where, and what to do."""

    severity: str
    """:data:`ERROR` keeps the playbooks from being used, :data:`WARNING` does not."""
    place: Place
    message: str
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.place}: {self.severity}: {self.message}"
        return printable(f"{text}: {self.fix}" if self.fix else text)


@dataclass(frozen=True)
class Block:
    """One item of the list that a playbook file is."""

    value: dict[str, Any]
    places: dict[Path, Place] = field(repr=False)
    """Where each value of the block stands, by its path inside it; ``()`` is the block."""

    def place(self, path: Path = ()) -> Place:
        """Return the place of the value at ``path``, or of what encloses it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


class _UnreadableError(Exception):
    def __init__(self, mark: yaml.Mark | None, message: str, fix: str) -> None:
        super().__init__(message)
        self.mark, self.fix = mark, fix


def read(file: PlaybookFile) -> tuple[list[Block], list[Problem]]:
    """Return the blocks of a file, or the problem that keeps it from being read."""
    try:
        return _blocks(file), []
    except _UnreadableError as error:
        place = (
            Place(file.name, error.mark.line + 1, error.mark.column + 1) if error.mark else Place(file.name)
        )
        return [], [Problem(ERROR, place, str(error), error.fix)]


def _blocks(file: PlaybookFile) -> list[Block]:
    loader, node = _compose(file)
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise _UnreadableError(
            node.start_mark, "a playbook is a list of blocks", "begin each with `- action:` or `- rule:`"
        )
    builder = _Builder(file.name, loader)
    blocks = []
    for item in node.value:
        if not isinstance(item, yaml.MappingNode):
            raise _UnreadableError(
                item.start_mark, "a block is a mapping", "begin it with `- action:` or `- rule:`"
            )
        builder.places = {}
        blocks.append(Block(builder.value(item, ()), builder.places))
    return blocks


def _compose(file: PlaybookFile) -> tuple[yaml.SafeLoader, yaml.Node | None]:
    try:
        loader = yaml.SafeLoader(file.content.decode())
        return loader, loader.get_single_node()
    except UnicodeDecodeError as error:
        raise _UnreadableError(None, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        raise _UnreadableError(
            error.problem_mark or error.context_mark, f"not YAML: {error.problem}", "mend the syntax"
        ) from None
    except yaml.reader.ReaderError as error:
        raise _UnreadableError(
            None, f"not YAML: {error.reason} (character {error.position})", "remove it"
        ) from None


class _Builder:
    """Turns nodes into plain values and notes their places. Bounded: aliases can make a small file huge."""

    def __init__(self, file: str, loader: yaml.SafeLoader) -> None:
        self._file, self._loader, self._left = file, loader, _NODES
        self.places: dict[Path, Place] = {}

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._left -= 1
        if len(path) > _DEPTH or self._left < 0:
            raise _UnreadableError(node.start_mark, "too deep or too large", "a playbook needs neither")
        self.places[path] = Place(self._file, node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except (yaml.constructor.ConstructorError, ValueError) as error:
            problem = getattr(error, "problem", None) or error
            raise _UnreadableError(
                node.start_mark, f"not a value: {problem}", "quote it if it is text"
            ) from None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                raise _UnreadableError(key.start_mark, "a key must be plain text", "write the keys out")
            if key.value in found:
                raise _UnreadableError(key.start_mark, f"the key {key.value} is there twice", "keep one")
            found[key.value] = self.value(item, (*path, key.value))
            # A key is where people look for what is wrong with it.
            self.places[*path, key.value] = Place(
                self._file, key.start_mark.line + 1, key.start_mark.column + 1
            )
        return found
