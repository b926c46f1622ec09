"""Hosts, groups and variables after reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Variable:
    """A variable's value and where it was written: ``file:line:column``."""

    value: Any
    place: str


@dataclass(frozen=True)
class Connection:
    """How a host is reached."""

    address: str
    port: int = 22
    user: str = "root"
    key_file: Path | None = None
    """Private key; None: the ssh-agent's keys, then the user's default ones."""
    known_hosts: Path | None = None
    """File with the host's key; None: the user's own."""
    python: str | None = None
    """Python on the host; None: the first fit one that is found."""
    become: bool = True
    """Use sudo where the user is not root."""


@dataclass(frozen=True)
class Host:
    """A host, by the name that the inventory gives it."""

    name: str
    connection: Connection
    groups: tuple[str, ...]
    """Every group that it is in, ancestors included, ``all`` first."""
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return the variables' values, and Ansible's ``inventory_hostname`` and ``group_names``."""
        values = {name: variable.value for name, variable in self.variables.items()}
        own = [group for group in self.groups if group != "all"]
        return {**values, "inventory_hostname": self.name, "group_names": own}


@dataclass(frozen=True)
class Inventory:
    """Everything that an inventory file and the folders beside it say."""

    path: Path
    hosts: Mapping[str, Host]
    """By name, in the order of the file."""
    groups: Mapping[str, tuple[str, ...]]
    """Group name to the names of its hosts, those of its children included."""
