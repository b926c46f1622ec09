"""From the host's spool through a real sshd to ``tercel run`` and back: the process is dead, once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.outputs import spool
from responders.system import Linux

sys.path.insert(0, str(Path(__file__).parents[1] / "controller"))
from sshd import Sshd

from .helpers import PYTHON, Json, Spawn, subject_of

pytestmark = pytest.mark.fleet

REPOSITORY = Path(__file__).parents[2]
RULES = """
- rule: Read shadow
  desc: A test. Next, nothing.
  condition: evt.type = openat
  output: read
  priority: WARNING
"""
PLAYBOOK = """
- rule: Kill it
  mode: enforce
  match: {rules: [Read shadow]}
  hosts: [web]
  actions:
    - {action: K, actionner: kill_process, continue: true, parameters: {tree: true}}
    - {action: Again, actionner: kill_process}

- rule: Only think about it
  match: {priority: ">=Warning"}
  actions: [{action: S, actionner: suspend_process}]
"""


@dataclass
class Site:
    """A controller and one host, both on this machine."""

    folder: Path
    sshd: Sshd
    writer: spool.Writer
    release: str = ""

    def tercel(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*argv), capture_output=True, text=True, env=self._env(), check=True
        )

    def start_run(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command("run", "-q", "-i", "inventory.yml"), env=self._env(), cwd=self.folder
        )

    def _command(self, *argv: str | Path) -> list[str | Path]:
        return [PYTHON, "-c", "from controller.cli import main; main()", *argv]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "TERCEL_HOME": str(self.folder / "home"), "PYTHONPATH": str(REPOSITORY)}

    def build(self) -> None:
        (self.folder / "r.yaml").write_text(RULES)
        (self.folder / "p.yaml").write_text(PLAYBOOK)
        (self.folder / "inventory.yml").write_text(f"web: {{hosts: {{web1: {self.sshd.variables()}}}}}\n")
        files = ("--rules", self.folder / "r.yaml", "--playbooks", self.folder / "p.yaml")
        self.tercel("release", "build", *files, "-i", self.folder / "inventory.yml")
        self.release = json.loads(self.tercel("release", "list", "--json").stdout)[-1]["id"]

    def alert(self, pid: int) -> None:
        system, now = Linux(), time.time_ns()
        process = system.facts(pid)
        assert process is not None
        body = {
            "release": self.release,
            "digest": None,
            "alert": {"rule": "Read shadow", "priority": "Warning", "output": "x", "output_fields": {}},
            "subject": subject_of(process, system.ticks_per_second),
            "t": {"event_ns": now, "matched_ns": now, "spooled_ns": now},
        }
        self.writer.append(body, 4)

    def actions(self) -> list[Json]:
        found: list[Json] = json.loads(self.tercel("actions", "--json", "-n", "10000").stdout)
        return found

    def ends(self) -> Counter[str]:
        """How many enforced actions are in which state."""
        return Counter(one["state"] for one in self.actions() if one["mode"] == "enforce")

    def begun(self) -> Counter[str]:
        """How often each action was begun on the host."""
        text = (self.folder / "root/var/lib/tercel/respond/journal").read_text()
        lines: list[Any] = [json.loads(line.split(" ", 1)[1]) for line in text.splitlines()]
        return Counter(line["key"] for line in lines if line["kind"] == "begun")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    environment = {"TERCEL_ROOT": str(tmp_path / "root"), "PYTHONPATH": str(REPOSITORY)}
    sshd = Sshd(tmp_path / "sshd", environment)
    sshd.prepare()
    keys = sshd.folder / "authorized_keys"
    keys.write_text(f'command="{PYTHON} -m agent.cli link" {keys.read_text()}')
    sshd.start()
    writer = spool.Writer(tmp_path / "root/var/lib/tercel/spool")
    site = Site(tmp_path, sshd, writer)
    try:
        site.build()
        yield site
    finally:
        writer.close()
        sshd.stop()


def test_an_alert_in_the_spool_ends_with_a_dead_process_and_a_timeline(
    site: Site, victim: subprocess.Popen[bytes]
) -> None:
    run = site.start_run()
    try:
        site.alert(victim.pid)
        assert victim.wait(15) == -signal.SIGKILL
        _until(lambda: site.ends() == {"done": 2})
    finally:
        run.terminate()
        assert run.wait(10) == 0
    first, thought, second = site.actions()
    assert first["result"]["killed"] == [victim.pid]
    assert second["result"]["already_gone"] is True
    assert (thought["mode"], thought["state"]) == ("shadow", "planned")
    steps = [step["step"] for step in first["timeline"]]
    assert steps == ["event", "matched", "spooled", "received", "planned", "sent", "started", "ended", "done"]
    times = [step["at_ns"] for step in first["timeline"]]
    assert times == sorted(times)


def test_killed_controllers_and_cut_links_lose_no_action_and_repeat_none(site: Site, spawn: Spawn) -> None:
    chance = random.Random(11)
    victims = []
    run = site.start_run()
    try:
        for _ in range(6):
            for _ in range(5):
                victims.append(spawn())
                site.alert(victims[-1].pid)
                time.sleep(chance.uniform(0, 0.25))
            site.sshd.cut()
            time.sleep(chance.uniform(0, 0.3))
            run.kill()
            run.wait()
            run = site.start_run()
        for victim in victims:
            assert victim.wait(30) == -signal.SIGKILL
        _until(lambda: site.ends() == {"done": 2 * len(victims)})
    finally:
        run.terminate()
        run.wait(10)
    begun = site.begun()
    assert len(begun) == len(victims)  # each victim's second step finds it gone, and begins nothing
    assert set(begun.values()) == {1}


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.2)
