"""``capture_process``: what it keeps, and that the process goes on as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from agent.respond.journal import Journal
from agent.respond.policy import Policy
from agent.respond.request import Request
from agent.respond.runner import Host, Runner
from responders.system import Linux

from .helpers import Json, Spawn, parent_and_child, subject_of

KEY = "key-number-1"


def _request(pid: int, key: str = KEY, **parameters: object) -> Request:
    system = Linux()
    process = system.facts(pid)
    assert process is not None
    target = subject_of(process, system.ticks_per_second)
    return Request(key, "capture_process", parameters, target, {"epoch": "e", "seq": 1, "rule": "Test"})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_it_keeps_program_files_sockets_and_ancestors_with_their_digests(
    runner: Runner, spawn: Spawn, tmp_path: Path
) -> None:
    _, child = parent_and_child(spawn)
    answer = runner.run(_request(child))
    assert answer["state"] == "done", answer
    folder = Path(answer["result"]["folder"])
    assert folder == tmp_path / "evidence" / KEY
    files: dict[str, Json] = answer["result"]["files"]
    assert {"exe", "cmdline", "maps", "status", "files.json", "ancestors.json", "net-tcp"} <= set(files)
    assert "environ" not in files
    for name, about in files.items():
        content = (folder / name).read_bytes()
        assert (len(content), _digest(content)) == (about["size"], about["sha256"])
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert (folder / "cmdline").read_bytes() == b"sleep\x00600\x00"
    assert files["exe"]["sha256"] == _digest(Path(shutil.which("sleep") or "").read_bytes())
    assert os.getpid() in [one["pid"] for one in json.loads((folder / "ancestors.json").read_text())]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_process_goes_on_as_it_was(runner: Runner, victim: subprocess.Popen[bytes]) -> None:
    runner.run(_request(victim.pid))
    assert victim.poll() is None
    assert not Linux().stopped(victim.pid)


def test_a_deleted_program_is_kept_too(runner: Runner, spawn: Spawn, tmp_path: Path) -> None:
    program = tmp_path / "evil"
    shutil.copy(shutil.which("sleep") or "", program)
    content = program.read_bytes()
    victim = spawn(str(program), "600")
    time.sleep(0.05)
    program.unlink()
    files = runner.run(_request(victim.pid))["result"]["files"]
    assert files["exe"] == {"size": len(content), "sha256": _digest(content), "whole": True}


def test_a_program_over_the_limit_is_kept_in_part_and_that_is_said(
    runner: Runner, victim: subprocess.Popen[bytes]
) -> None:
    files = runner.run(_request(victim.pid, max_mib=0))["result"]["files"]
    assert files["exe"] == {"size": 0, "sha256": _digest(b""), "whole": False}


def test_the_environment_is_kept_if_asked_for(
    runner: Runner, victim: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    runner.run(_request(victim.pid, environment=True))
    assert b"PATH=" in (tmp_path / "evidence" / KEY / "environ").read_bytes()


def test_a_process_that_has_ended_leaves_nothing_to_keep(
    runner: Runner, victim: subprocess.Popen[bytes]
) -> None:
    request = _request(victim.pid)
    victim.kill()
    victim.wait()
    assert runner.run(request)["result"] == {"already_gone": True, "files": {}}


def test_one_that_holds_up_its_readers_is_given_up_and_goes_on(
    journal: Journal, victim: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    class Slow(Linux):
        def read(self, pid: int, name: str, most: int) -> bytes | None:
            time.sleep(0.5)
            return super().read(pid, name, most)

    host = Host(system=Slow(), policy=Policy, own=frozenset, evidence=tmp_path / "evidence")
    answer = Runner(journal, host).run(_request(victim.pid, timeout=0.1))
    assert answer["state"] == "failed"
    assert "not done within 0.1 s" in answer["result"]["reason"]
    assert not Linux().stopped(victim.pid)


def test_a_folder_that_cannot_be_made_is_a_failure_that_says_so(
    journal: Journal, victim: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    host = Host(system=Linux(), policy=Policy, own=frozenset, evidence=tmp_path / "evidence")
    answer = Runner(journal, host).run(_request(victim.pid))
    assert answer["state"] == "failed"
    assert "cannot keep the evidence" in answer["result"]["reason"]
    assert not Linux().stopped(victim.pid)


@pytest.mark.parametrize("made", [True, False])
def test_an_interrupted_capture_lets_the_process_go_on(
    runner: Runner, journal: Journal, victim: subprocess.Popen[bytes], tmp_path: Path, *, made: bool
) -> None:
    system = Linux()
    process = system.facts(victim.pid)
    assert process is not None
    recorded = {
        "pid": process.pid,
        "start_ticks": process.start_ticks,
        "boot_id": system.boot_id,
        "state": "S",
    }
    folder = tmp_path / "evidence" / KEY
    if made:
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"files": {"exe": {}}}')
    victim.send_signal(19)
    before = {"folder": str(folder), "processes": [recorded]}
    begun = {"time_ns": 1, "responder": "capture_process", "parameters": {}, "target": {}, "before": before}
    journal.append("begun", KEY, **begun)
    assert runner.get(KEY)["state"] == ("done" if made else "failed")
    assert not system.stopped(victim.pid)
