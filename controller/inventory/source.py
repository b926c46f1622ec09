"""Reading YAML with the place of every key and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controller.errors import InventoryError
from controller.inventory.model import Variable

_VAULT = (
    "is encrypted with ansible-vault, which tercel does not read: keep secrets out of falco.yaml variables"
)


@dataclass(frozen=True)
class Tree:
    """A YAML value that knows its place. Wraps one node of a document."""

    file: Path
    node: yaml.Node
    loader: yaml.SafeLoader

    @property
    def place(self) -> str:
        """``file:line:column``, counted from 1."""
        return _place(self.file, self.node.start_mark)

    @property
    def is_null(self) -> bool:
        """Whether it is empty or null."""
        return self.node.tag == "tag:yaml.org,2002:null"

    def items(self, what: str) -> Iterator[tuple[str, Tree, Tree]]:
        """Give each key's text, its tree, and the value's. ``what`` names the mapping in errors.

        Raises InventoryError if this is no mapping, or a key is there twice or is no text.
        """
        if self.is_null:
            return
        if not isinstance(self.node, yaml.MappingNode):
            raise InventoryError(f"{what} must be a mapping (name: …), not {_kind(self.node)}", self.place)
        self.loader.flatten_mapping(self.node)
        seen: set[str] = set()
        for key_node, value_node in self.node.value:
            key, value = Tree(self.file, key_node, self.loader), Tree(self.file, value_node, self.loader)
            if not isinstance(key_node, yaml.ScalarNode):
                raise InventoryError(f"a name in {what} must be plain text", key.place)
            name = str(key_node.value)
            if name in seen:
                raise InventoryError(f"{name!r} is in {what} twice: keep one", key.place)
            seen.add(name)
            yield name, key, value

    def value(self) -> Any:
        """Return the plain value: text, number, list, mapping. Raises InventoryError."""
        if self.node.tag == "!vault":
            raise InventoryError(f"this value {_VAULT}", self.place)
        try:
            return self.loader.construct_object(self.node, deep=True)
        except yaml.constructor.ConstructorError as error:
            mark = error.problem_mark or self.node.start_mark
            if "!vault" in str(error.problem):
                raise InventoryError(f"this value {_VAULT}", _place(self.file, mark)) from None
            raise InventoryError(str(error.problem), _place(self.file, mark)) from None


def read(file: Path) -> Tree | None:
    """Read a YAML file of one document; None if it is empty. Raises InventoryError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InventoryError(f"cannot read it: {reason}", str(file)) from None
    if text.startswith("$ANSIBLE_VAULT"):
        raise InventoryError(f"the file {_VAULT}", str(file))
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(file, mark) if mark else str(file)
        raise InventoryError(f"this is not YAML: {error.problem}", place) from None
    except yaml.reader.ReaderError as error:
        raise InventoryError(f"this is not YAML: {error.reason}", str(file)) from None
    return Tree(file, node, loader) if node is not None else None


def variables(tree: Tree, what: str) -> dict[str, Variable]:
    """Return the variables of a mapping. Raises InventoryError."""
    return {name: Variable(value.value(), value.place) for name, _, value in tree.items(what)}


def _place(file: Path, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


def _kind(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else f"{node.value!r}"
