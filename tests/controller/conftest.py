from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from controller.home import Home
from controller.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("TERCEL_HOME", str(tmp_path / "home"))
    return Home.open()


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store.open(home) as store:
        yield store
