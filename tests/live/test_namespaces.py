"""An agent that sees its own pid namespace only, as several agents on one kernel do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

_AGENT = """
import json, os, subprocess, sys, time
from agent.kernel.capture import Capture
capture = Capture(frozenset({"openat", "execve"}), own_pid_namespace=True)
capture.start()
print("ready", flush=True)
sys.stdin.readline()
subprocess.run(["/bin/sh", "-c", "cat /etc/hostname > /dev/null; :"])
found = []
capture.read(lambda e: found.append({
    "type": e.type, "name": e["proc.name"].decode(), "fd": (e["fd.name"] or b"").decode(),
    "subject": e.subject, "vpid": e["proc.vpid"], "pcmdline": (e["proc.pcmdline"] or b"").decode(),
}))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def seen() -> list[dict[str, object]]:
    """Events that an agent in a pid namespace of its own captured, while others worked outside."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    root = Path(__file__).parents[2]
    command = ["unshare", "--pid", "--mount", "--fork", "--mount-proc", sys.executable, "-c", _AGENT]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=root
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"ready\n"
        subprocess.run(["/bin/cat", "/etc/hosts"], check=True, stdout=subprocess.DEVNULL)
        out, _ = agent.communicate(b"go\n", timeout=60)
    return list(json.loads(out))


def test_only_its_own_processes_are_seen(seen: list[dict[str, object]]) -> None:
    assert seen
    assert "/etc/hosts" not in {event["fd"] for event in seen}
    assert "/etc/hostname" in {event["fd"] for event in seen}


def test_the_subject_has_the_number_that_the_agent_can_use(seen: list[dict[str, object]]) -> None:
    event = next(event for event in seen if event["name"] == "cat" and event["type"] == "openat")
    subject = event["subject"]
    assert isinstance(subject, dict)
    assert subject["ns_pid"] == event["vpid"]
    assert subject["pid"] != subject["ns_pid"]


def test_parents_from_before_the_capture_are_known(seen: list[dict[str, object]]) -> None:
    event = next(event for event in seen if event["name"] == "sh" and event["type"] == "execve")
    assert "from agent.kernel.capture import" in str(event["pcmdline"])
