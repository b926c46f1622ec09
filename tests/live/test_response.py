"""The identity that an alert carries is the one that a responder finds: live capture, daemon, spool, kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.outputs import spool
from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.request import Request
from agent.respond.runner import Host, Runner
from responders.system import Linux

pytestmark = pytest.mark.live

RULE = """
- rule: Secret read
  desc: A test. Next, nothing.
  condition: evt.type in (open, openat) and evt.is_open_read = true and fd.name = {secret}
  output: "%proc.exepath read %fd.name"
  priority: WARNING
"""
CONFIG = "rules_files: [{rules}]\njson_output: true\nstdout_output: {{enabled: false}}\n"
READER = "import sys, time; open(sys.argv[1]).read(); time.sleep(600)"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s")
    return path


@pytest.fixture
def spooled(tmp_path: Path, secret: Path) -> Iterator[spool.Reader]:
    """The spool of a daemon that runs."""
    (tmp_path / "rules.yaml").write_text(RULE.format(secret=secret))
    (tmp_path / "falco.yaml").write_text(CONFIG.format(rules=tmp_path / "rules.yaml"))
    root, log = tmp_path / "root", tmp_path / "log"
    argv = [sys.executable, "-m", "agent.cli", "run", "-c", tmp_path / "falco.yaml"]
    with log.open("wb") as errors:
        daemon = subprocess.Popen(argv, stderr=errors, env={**os.environ, "TERCEL_ROOT": str(root)})
    try:
        deadline = time.monotonic() + 60
        while "running:" not in log.read_text():
            assert daemon.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield spool.Reader(root / "var/lib/tercel/spool")
    finally:
        daemon.terminate()
        daemon.wait(20)


def _subject(reader: spool.Reader) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        batch = reader.read(100)
        for record in batch.records if batch is not None else ():
            value = json.loads(record.payload)
            if value["alert"]["rule"] == "Secret read":
                subject: dict[str, Any] = value["subject"]
                return subject
        time.sleep(0.02)
    pytest.fail("there was no alert")


def _run(folder: Path, target: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    runner = Runner(Journal(folder), Host(system=Linux(), policy=Policy, own=frozenset))
    return runner.run(Request(f"key-{time.time_ns()}", "kill_process", parameters, target, {}))


def test_the_process_of_a_live_alert_is_killed_and_no_other(
    spooled: spool.Reader, secret: Path, tmp_path: Path
) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    attacker = subprocess.Popen([sys.executable, "-c", READER, secret])
    try:
        answer = _run(tmp_path / "journal", _subject(spooled))
        assert answer["state"] == "done", answer
        assert answer["result"]["killed"] == [attacker.pid]
        assert attacker.wait(2) == -signal.SIGKILL
        assert bystander.poll() is None
    finally:
        for process in (bystander, attacker):
            process.kill()
            process.wait()


def test_an_attacker_who_executes_another_program_after_the_act_is_known_all_the_same(
    spooled: spool.Reader, secret: Path, tmp_path: Path
) -> None:
    attacker = subprocess.Popen(["sh", "-c", 'read line < "$1"; exec sleep 600', "sh", secret])
    try:
        subject = _subject(spooled)
        deadline = time.monotonic() + 5
        while os.readlink(f"/proc/{attacker.pid}/exe") == subject["exe"]:  # noqa: PTH115 - as the kernel says it
            assert time.monotonic() < deadline
            time.sleep(0.005)
        refused = _run(tmp_path / "journal", subject)
        assert refused["state"] == "refused"
        assert "has executed another program" in refused["result"]["reason"]
        assert _run(tmp_path / "journal", subject, after_exec="act")["state"] == "done"
        assert attacker.wait(2) == -signal.SIGKILL
    finally:
        attacker.kill()
        attacker.wait()
