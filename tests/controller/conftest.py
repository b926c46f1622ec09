from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from controller.home import Home
from controller.inventory import Host, load
from controller.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("TERCEL_HOME", str(tmp_path / "home"))
    return Home.open()


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store.open(home) as store:
        yield store


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    server.prepare()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def host(sshd: Sshd, tmp_path: Path) -> Host:
    path = tmp_path / "inventory.yml"
    path.write_text(f"all: {{hosts: {{web1: {sshd.variables()}}}}}\n")
    return load(path).hosts["web1"]
