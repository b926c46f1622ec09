from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.runner import Host, Runner
from controller.home import Home
from controller.store import Store
from responders.system import Linux

from .helpers import Json, Spawn, kill_request, subject_of


@pytest.fixture
def system() -> Linux:
    return Linux()


@pytest.fixture
def policy() -> list[Policy]:
    """The policy in force: replace the element to change it."""
    return [Policy()]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "respond")
    yield journal
    journal.close()


@pytest.fixture
def runner(journal: Journal, system: Linux, policy: list[Policy], tmp_path: Path) -> Runner:
    evidence = tmp_path / "evidence"
    return Runner(journal, Host(system=system, policy=lambda: policy[0], own=frozenset, evidence=evidence))


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts processes that end with the test at the latest."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*argv: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv or ("sleep", "600"), stdout=subprocess.PIPE, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its descendants too
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture
def victim(spawn: Spawn) -> subprocess.Popen[bytes]:
    return spawn()


@pytest.fixture
def kill(runner: Runner, system: Linux) -> Callable[..., Json]:
    def run(pid: int, **parameters: Any) -> Json:
        process = system.facts(pid)
        assert process is not None
        return runner.run(kill_request(subject_of(process, system.ticks_per_second), **parameters))

    return run


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A controller's folder with an empty store: making one anew takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "home"
    Store.open(Home.open_at(path)).close()
    return path


@pytest.fixture
def store(empty_home: Path, tmp_path: Path) -> Iterator[Store]:
    with Store.open(Home.open_at(shutil.copytree(empty_home, tmp_path / "home"))) as store:
        yield store
