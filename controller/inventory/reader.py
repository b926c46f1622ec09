"""From inventory files to an Inventory.

A variable's value is the last of: groups in the file (parents before children), ``group_vars/all``,
``group_vars/<group>``, the host in the file, ``host_vars/<host>``: Ansible's order.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import InventoryError
from controller.inventory.connection import connection
from controller.inventory.model import Host, Inventory, Variable
from controller.inventory.ranges import expand
from controller.inventory.source import Tree, read, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Variables = dict[str, Variable]


@dataclass
class _Group:
    """A group while it is read."""

    name: str
    variables: Variables = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    """Name of the child to the place where it is named."""


def default_path() -> Path:
    """Return the inventory that ``TERCEL_INVENTORY`` names, else ``inventory.yml`` here."""
    return Path(os.environ.get("TERCEL_INVENTORY") or "inventory.yml")


def load(path: Path) -> Inventory:
    """Read an inventory file and ``group_vars/`` and ``host_vars/`` beside it. Raises InventoryError."""
    if not path.exists():
        raise InventoryError("there is no such inventory: name one with -i or TERCEL_INVENTORY", str(path))
    tree = read(path)
    if tree is None:
        raise InventoryError(
            "the inventory is empty: inventory.example.yml shows what belongs there", str(path)
        )
    reader = _Reader()
    for name, key, value in tree.items("the inventory"):
        reader.group(name, key, value)
    return reader.finish(path)


class _Reader:
    """Collects groups and hosts; ``finish`` puts them together."""

    def __init__(self) -> None:
        self.groups: dict[str, _Group] = {"all": _Group("all")}
        self.host_variables: dict[str, Variables] = {}

    def group(self, name: str, key: Tree, tree: Tree) -> None:
        """Take one group and, with it, the groups inside."""
        group = self.groups.setdefault(name, _Group(name))
        for part, part_key, value in tree.items(f"group {name!r}"):
            if part == "vars":
                group.variables.update(variables(value, f"vars of {name!r}"))
            elif part == "hosts":
                self._hosts(group, value)
            elif part == "children":
                self._children(group, value)
            else:
                raise InventoryError(
                    f"group {name!r} has an unknown part {part!r}: there are hosts, children and vars",
                    part_key.place,
                )
        if any(c in name for c in ":,&!*?[]") or not name:
            raise InventoryError(f"{name!r} cannot be the name of a group", key.place)

    def _hosts(self, group: _Group, tree: Tree) -> None:
        for pattern, key, value in tree.items(f"hosts of {group.name!r}"):
            try:
                names = expand(pattern)
            except ValueError as error:
                raise InventoryError(str(error), key.place) from None
            own = variables(value, f"host {pattern!r}")
            for name in names:
                _check_host_name(name, key)
                group.hosts[name] = None
                self.host_variables.setdefault(name, {}).update(own)

    def _children(self, group: _Group, tree: Tree) -> None:
        for name, key, value in tree.items(f"children of {group.name!r}"):
            group.children[name] = key.place
            self.group(name, key, value)

    def finish(self, path: Path) -> Inventory:
        """Put groups, hosts and variable files together."""
        depths = self._depths()
        order = sorted(self.groups, key=lambda name: (depths[name], _priority(self.groups[name]), name))
        members = {name: self._members(name) for name in order}
        members["all"] = dict.fromkeys(self.host_variables)
        files = {name: _variable_files(path.parent / "group_vars", name) for name in order}
        hosts = {}
        for name, own in self.host_variables.items():
            groups = [group for group in order if name in members[group]]
            layers = [self.groups[group].variables for group in groups] + [files[group] for group in groups]
            merged = _merge([*layers, own, _variable_files(path.parent / "host_vars", name)])
            hosts[name] = Host(name, connection(name, merged, path.parent), tuple(groups), merged)
        grouped = {name: tuple(host for host in hosts if host in inside) for name, inside in members.items()}
        return Inventory(path, hosts, grouped | {"ungrouped": _ungrouped(hosts)})

    def _depths(self) -> dict[str, int]:
        """Return how deep each group lies at most below ``all``. Raises InventoryError for a cycle."""
        depths = {name: 0 if name == "all" else 1 for name in self.groups}
        pending: list[tuple[str, tuple[str, ...]]] = [(name, (name,)) for name in reversed(self.groups)]
        while pending:
            name, path = pending.pop()
            for child, place in self.groups[name].children.items():
                if child in path:
                    raise InventoryError(f"groups contain one another: {' > '.join([*path, child])}", place)
                if depths[child] <= depths[name]:
                    depths[child] = depths[name] + 1
                    pending.append((child, (*path, child)))
        return depths

    def _members(self, name: str) -> dict[str, None]:
        group = self.groups[name]
        found = dict(group.hosts)
        for child in group.children:
            found.update(self._members(child))
        return found


def _check_host_name(name: str, key: Tree) -> None:
    if (
        not name
        or name.startswith(("-", "."))
        or any(c.isspace() or not c.isprintable() or c in "/,&!*?" for c in name)
    ):
        raise InventoryError(f"{name!r} cannot be the name of a host", key.place)


def _priority(group: _Group) -> int:
    variable = group.variables.get("ansible_group_priority")
    if variable is None:
        return 1
    if not isinstance(variable.value, int):
        raise InventoryError("ansible_group_priority must be a number", variable.place)
    return variable.value


def _merge(layers: Iterable[Mapping[str, Variable]]) -> Variables:
    merged: Variables = {}
    for layer in layers:
        merged.update(layer)
    return merged


def _ungrouped(hosts: Mapping[str, Host]) -> tuple[str, ...]:
    return tuple(name for name, host in hosts.items() if host.groups == ("all",))


def _variable_files(folder: Path, name: str) -> Variables:
    """Read ``name``, ``name.yml``, ``name.yaml`` or every such file in the folder ``name``."""
    merged: Variables = {}
    for file in _files(folder, name):
        if (tree := read(file)) is not None:
            merged.update(variables(tree, str(file)))
    return merged


def _files(folder: Path, name: str) -> list[Path]:
    found = [path for suffix in ("", ".yml", ".yaml") if (path := folder / f"{name}{suffix}").is_file()]
    if (inner := folder / name).is_dir():
        found += sorted(
            path for path in inner.rglob("*") if path.is_file() and path.suffix in {"", ".yml", ".yaml"}
        )
    return found
