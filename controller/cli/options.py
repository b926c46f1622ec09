"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.inventory import Host, Inventory, default_path, load, select

InventoryFile = Annotated[
    Path | None,
    typer.Option(
        "--inventory",
        "-i",
        help="Inventory file (TERCEL_INVENTORY, else ./inventory.yml).",
        show_default=False,
    ),
]
Limit = Annotated[
    str | None,
    typer.Option(
        "--limit", "-l", metavar="PATTERN", help="Only these hosts, as in web:&prod:!db1.", show_default=False
    ),
]
KnownHosts = Annotated[
    Path | None,
    typer.Option(
        "--known-hosts",
        help="File with the hosts' keys (tercel_known_hosts, else ~/.ssh/known_hosts).",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Show JSON.")]


def inventory(path: Path | None) -> Inventory:
    """Read the inventory that was named, or the default one."""
    return load(path or default_path())


def hosts(path: Path | None, limit: str | None) -> list[Host]:
    """Return the hosts that were named."""
    return select(inventory(path), limit)
