"""A daemon whose events come from the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.outputs import spool
from agent.paths import Paths

HERE = Path(__file__).parent


class Daemon:
    """One daemon below a folder of its own; events go in through a named pipe."""

    def __init__(self, root: Path) -> None:
        self.root, self.paths = root, Paths(root)
        self.pipe = root / "events"
        os.mkfifo(self.pipe)
        self.process: subprocess.Popen[bytes] | None = None
        self._events: int | None = None

    def start(self, *arguments: str, wait: bool = True) -> None:
        environment = {**os.environ, "TERCEL_ROOT": str(self.root), "PYTHONPATH": str(HERE.parents[1])}
        with (self.root / "stdout").open("ab") as out, (self.root / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "fed_daemon.py", self.root, *arguments],
                stdout=out,
                stderr=errors,
                env=environment,
            )
        if wait:
            self.until(lambda: self.answers() or self.process is None or self.process.poll() is not None)
            assert self.process.poll() is None, self.said()
        self._events = os.open(self.pipe, os.O_RDWR)

    def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time: {self.said()}"
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            self.status()
        except control.NoDaemonError:
            return False
        return True

    def ask(self, verb: str, **keys: Any) -> dict[str, Any]:
        return control.ask(self.paths, {"do": verb, **keys})

    def status(self) -> dict[str, Any]:
        engine: dict[str, Any] = self.ask("status")["engine"]
        return engine

    def opens(self, path: str, count: int = 1) -> None:
        event = {"type": "openat", "fields": {"fd.name": path, "proc.name": "attacker"}}
        assert self._events is not None
        for _ in range(count):
            os.write(self._events, json.dumps(event).encode() + b"\n")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(30)

    def said(self) -> str:
        return (self.root / "stderr").read_text()

    def printed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / "stdout").read_text().splitlines()]

    def spooled(self) -> list[dict[str, Any]]:
        reader, found = spool.Reader(self.paths.spool), []
        while (batch := reader.read(1000)) is not None:
            found += [json.loads(record.payload) for record in batch.records]
        return found

    def spooled_rules(self) -> list[str]:
        return [record["alert"]["rule"] for record in self.spooled()]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    if daemon.process is not None:
        daemon.process.kill()
        daemon.process.wait()
