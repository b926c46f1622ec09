"""The daemon on the real kernel: a system call becomes an alert in the spool, within its memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.outputs import spool
from agent.paths import Paths

pytestmark = pytest.mark.live

REPOSITORY = Path(__file__).parents[2]
FALCO = Path(os.environ.get("TERCEL_FALCO_DATA", REPOSITORY / "../shared/falco"))
RULES = """
- rule: Secret read
  desc: a secret is read
  condition: evt.type in (open, openat, openat2) and evt.is_open_read = true and fd.name = {secret}
  output: read by %proc.name
  priority: WARNING
- rule: Program run
  desc: a program is run
  condition: evt.type in (execve, execveat) and proc.name = tercel-probe
  output: ran %proc.exepath
  priority: NOTICE
"""


class Agent:
    def __init__(self, root: Path) -> None:
        self.root, self.paths = root, Paths(root)
        self.environment = {**os.environ, "TERCEL_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        engine: dict[str, Any] = control.ask(self.paths, {"do": "status"})["engine"]
        return engine

    def wait_for(self, rule: str) -> dict[str, Any]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            reader = spool.Reader(self.paths.spool)
            while (batch := reader.read(1000)) is not None:
                for record in map(json.loads, (each.payload for each in batch.records)):
                    if record["alert"]["rule"] == rule:
                        return dict(record)
            time.sleep(0.05)
        raise AssertionError(f"no alert of {rule!r} came; {self.paths.log.read_text()}")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    yield agent
    agent.run("stop")


def test_a_real_open_and_a_real_exec_become_alerts(agent: Agent, tmp_path: Path) -> None:
    secret, probe = tmp_path / "secret", tmp_path / "tercel-probe"
    secret.write_text("x")
    shutil.copy("/bin/cat", probe)
    (tmp_path / "rules.yaml").write_text(RULES.format(secret=secret))
    (tmp_path / "falco.yaml").write_text(f"rules_files: [{tmp_path}/rules.yaml]\nrule_matching: all\n")
    started = agent.run("start", "-c", str(tmp_path / "falco.yaml"))
    assert started.returncode == 0, started.stderr
    subprocess.run([probe, secret], check=True, capture_output=True)
    read, ran = agent.wait_for("Secret read"), agent.wait_for("Program run")
    assert read["alert"]["output_fields"]["proc.name"] == "tercel-probe"
    assert read["subject"]["exe"] == str(probe)
    assert ran["alert"]["output_fields"]["proc.exepath"] == str(probe)
    assert read["t"]["spooled_ns"] - read["t"]["event_ns"] < 2 * 10**9


def test_with_falcos_stable_rules_the_daemon_stays_under_40_mb(agent: Agent, tmp_path: Path) -> None:
    rules = FALCO / "rules/falco_rules.yaml"
    if not rules.exists():
        pytest.skip(f"Falco's rules are not at {rules}: set TERCEL_FALCO_DATA")
    (tmp_path / "falco.yaml").write_text(f"rules_files: [{rules.resolve()}]\n")
    started = agent.run("start", "-c", str(tmp_path / "falco.yaml"))
    assert started.returncode == 0, started.stderr
    assert agent.status()["rules"] > 20
    assert agent.status()["rss_bytes"] < 40_000_000
    for _ in range(3):
        assert agent.run("reload").returncode == 0
    assert agent.status()["rss_bytes"] < 40_000_000


def test_a_machine_without_root_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "falco.yaml").write_text("rules_files: []\n")
    done = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--clear-groups",
            sys.executable,
            "-c",
            "import os; print(os.geteuid())",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "65534", done.stderr
    done = subprocess.run(
        [
            "setpriv",
            "--reuid=65534",
            "--clear-groups",
            "/usr/bin/python3",
            "-m",
            "agent.cli",
            "run",
            "-c",
            "x",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert done.returncode == 1
    assert "needs root" in done.stderr
