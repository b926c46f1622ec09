from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd import Sshd

from agent.outputs import spool
from controller.inventory import Host, load

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the agent of the host takes for its root."""
    return tmp_path / "root"


@pytest.fixture
def sshd(tmp_path: Path, root: Path) -> Iterator[Sshd]:
    """A host whose only command is the link of the real agent."""
    environment = {"TERCEL_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    server = Sshd(tmp_path / "sshd", environment, more=f"ForceCommand {sys.executable} -m agent.cli link")
    server.prepare()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def inventory_file(sshd: Sshd, tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yml"
    path.write_text(f"web: {{hosts: {{web1: {sshd.variables()}}}}}\n")
    return path


@pytest.fixture
def host(inventory_file: Path) -> Host:
    return load(inventory_file).hosts["web1"]


@pytest.fixture
def writer(root: Path) -> Iterator[spool.Writer]:
    writer = spool.Writer(root / "var/lib/tercel/spool")
    yield writer
    writer.close()
