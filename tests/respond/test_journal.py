"""The journal keeps its promise whatever happens to the processes that write it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.respond import journal as module
from agent.respond.journal import FILE, Journal, JournalError
from agent.respond.policy import Policy
from agent.respond.runner import Host, Runner
from responders.system import Linux

from .helpers import PYTHON, Json, kill_request, subject_of

STEPS = (
    "before begun",
    "inside begun",
    "after begun",
    "after the act",
    "inside ended",
    "after ended",
)

CHILD = """
import json, os, signal, sys
from pathlib import Path
from agent.respond import journal as module, runner as running
from agent.respond.policy import Policy
from agent.respond.request import Request
from responders.system import Linux

folder, step, action = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(module.Journal):
    def append(self, kind, key, **values):
        if step == f"inside {kind}":
            module._write = lambda descriptor, data: (os.write(descriptor, data[: len(data) // 2]), die())
        if step == f"before {kind}" or (kind == "ended" and step == "after the act"):
            die()
        super().append(kind, key, **values)
        if step == f"after {kind}":
            die()

host = running.Host(system=Linux(), policy=Policy, own=frozenset)
running.Runner(Dying(folder), host).run(Request.parse(action))
"""


def _message(pid: int, key: str) -> Json:
    system = Linux()
    process = system.facts(pid)
    assert process is not None
    return vars(kill_request(subject_of(process, system.ticks_per_second), key))


def _runner(folder: Path) -> Runner:
    return Runner(Journal(folder), Host(system=Linux(), policy=Policy, own=frozenset))


@pytest.mark.parametrize("step", STEPS)
def test_an_agent_killed_at_any_step_acts_at_most_once_and_knows_the_end(
    tmp_path: Path, victim: subprocess.Popen[bytes], step: str
) -> None:
    message = _message(victim.pid, "key-number-1")
    dead = subprocess.run([PYTHON, "-c", CHILD, tmp_path, step, json.dumps(message)], check=False)
    assert dead.returncode == -signal.SIGKILL
    acted = step not in {"before begun", "inside begun", "after begun"}
    assert (victim.poll() is not None) is acted

    answer = _runner(tmp_path).run(kill_request(message["target"], "key-number-1"))

    expected = {
        "before begun": ("done", False),  # it never began: now it runs
        "inside begun": ("done", False),
        "after begun": ("failed", False),  # it began and did nothing: never repeated
        "after the act": ("done", True),
        "inside ended": ("done", True),
        "after ended": ("done", False),
    }
    state, found_out_later = expected[step]
    assert answer["state"] == state
    assert answer["result"].get("verified_later", False) is found_out_later
    if step == "after begun":
        assert victim.poll() is None
        assert "interrupted before the end: still there" in answer["result"]["reason"]
    again = _runner(tmp_path).run(kill_request(message["target"], "key-number-1"))
    assert again == answer


def test_a_key_that_was_seen_is_not_run_again(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    runner = _runner(tmp_path)
    request = kill_request(_message(victim.pid, "key-number-1")["target"], "key-number-1")
    first = runner.run(request)
    assert runner.run(request) == first
    assert runner.get("key-number-1") == first
    assert _runner(tmp_path).run(request) == first


def test_a_key_that_was_never_seen_has_no_state(tmp_path: Path) -> None:
    assert _runner(tmp_path).get("key-number-1") == {"key": "key-number-1", "state": None}


def test_a_refused_action_stays_refused(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    target = _message(victim.pid, "k")["target"]
    runner = _runner(tmp_path)
    wrong = kill_request({**target, "start_ns": 0}, "key-number-1")
    assert runner.run(wrong)["state"] == "refused"
    assert runner.run(kill_request(target, "key-number-1"))["state"] == "refused"
    assert victim.poll() is None


def test_who_asks_for_a_running_key_waits_for_its_end_in_another_process_too(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    request = kill_request(_message(victim.pid, "k")["target"], "key-number-1")
    other = Journal(tmp_path)
    answers: list[Json] = []
    with other.locked("key key-number-1"):
        waiting = threading.Thread(target=lambda: answers.append(_runner(tmp_path).run(request)))
        waiting.start()
        time.sleep(0.1)
        assert answers == []
        other.append("ended", "key-number-1", state="done", result={"by": "other"}, started_ns=1, ended_ns=2)
    waiting.join(5)
    assert answers[0]["result"] == {"by": "other"}
    assert victim.poll() is None


def test_many_threads_with_one_key_act_once(tmp_path: Path, victim: subprocess.Popen[bytes]) -> None:
    runner = _runner(tmp_path)
    request = kill_request(_message(victim.pid, "k")["target"], "key-number-1")
    answers: list[Json] = []
    threads = [threading.Thread(target=lambda: answers.append(runner.run(request))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["result"]["killed"] == [victim.pid]


def _three(folder: Path) -> bytes:
    journal = Journal(folder)
    for number in range(3):
        journal.append("ended", f"key-{number}", state="done", result={}, started_ns=1, ended_ns=2)
    journal.close()
    return (folder / FILE).read_bytes()


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    content = _three(tmp_path)
    for length in range(len(content)):
        (tmp_path / FILE).write_bytes(content[:length])
        journal = Journal(tmp_path)
        whole = content[:length].count(b"\n")
        assert [journal.find(f"key-{n}") is not None for n in range(3)] == [n < whole for n in range(3)]
        journal.append("ended", "key-new", state="done", result={}, started_ns=1, ended_ns=2)
        journal.close()
        reopened = Journal(tmp_path)
        assert reopened.find("key-new") is not None
        reopened.close()


def test_a_damaged_line_stops_every_action_with_the_place_and_the_fix(
    tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    content = bytearray(_three(tmp_path))
    content[content.index(b"key-1")] ^= 1
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(JournalError, match=r"at byte \d+: damaged.*move the file away"):
        _runner(tmp_path).run(kill_request(_message(victim.pid, "k")["target"]))
    assert victim.poll() is None


def test_two_processes_write_one_journal(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.respond.journal import Journal\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for n in range(50): j.append('ended', f'{sys.argv[2]}-{n}', state='done', result='y' * 5000)\n"
    )
    writers = [subprocess.Popen([PYTHON, "-c", script, tmp_path, name]) for name in ("a", "b")]
    assert [writer.wait(30) for writer in writers] == [0, 0]
    journal = Journal(tmp_path)
    assert all(journal.find(f"{name}-{n}") is not None for name in ("a", "b") for n in range(50))


def test_without_a_journal_nothing_is_done(
    tmp_path: Path, victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, os.strerror(28))

    runner = _runner(tmp_path)
    request = kill_request(_message(victim.pid, "k")["target"])
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(JournalError, match="No space left on device"):
        runner.run(request)
    monkeypatch.undo()
    assert victim.poll() is None
    assert runner.run(request)["state"] == "done"


def test_an_end_that_cannot_be_written_down_is_told_all_the_same_and_found_out_later(
    tmp_path: Path, victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    runner = Runner(journal, Host(system=Linux(), policy=Policy, own=frozenset))
    append = journal.append

    def failing(kind: str, key: str, **values: Any) -> None:
        if kind == "ended":
            raise JournalError("no space")
        append(kind, key, **values)

    monkeypatch.setattr(journal, "append", failing)
    request = kill_request(_message(victim.pid, "k")["target"])
    answer = runner.run(request)
    assert answer["state"] == "done"
    assert answer["result"]["not_recorded"] == "no space"
    monkeypatch.undo()
    later = runner.run(request)
    assert (later["state"], later["result"]["verified_later"]) == ("done", True)


def test_the_journal_and_its_folder_are_roots_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "respond").close()
    assert (tmp_path / "respond").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "respond" / FILE).stat().st_mode & 0o777 == 0o600


def _fill(journal: Journal, name: str, number: int, ended_ns: int) -> None:
    for n in range(number):
        journal.append("begun", f"{name}-{n}", time_ns=1, before={}, responder="x" * 1000)
        journal.append("noted", f"{name}-{n}", values={"processes": [n]})
        journal.append("ended", f"{name}-{n}", state="done", result={}, started_ns=1, ended_ns=ended_ns)


def test_a_large_journal_forgets_what_ended_long_ago_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGE", 20_000)
    other = Journal(tmp_path)  # another process that has the old file open
    journal = Journal(tmp_path)
    journal.append("begun", "open-0", time_ns=1, before={})
    journal.append("begun", "ttl-0", time_ns=1, before={}, expires_ns=5)
    journal.append("ended", "ttl-0", state="done", result={}, started_ns=1, ended_ns=1)
    _fill(journal, "new", 2, time.time_ns())
    _fill(journal, "old", 20, 1)
    assert (tmp_path / FILE).stat().st_size < 20_000
    for reader in (journal, other, Journal(tmp_path)):
        assert reader.find("old-0") is None
        assert (entry := reader.find("new-1")) is not None
        assert entry.before == {"processes": [1]}
        assert reader.find("open-0") is not None
        assert [one.key for one in reader.expiring()] == ["ttl-0"]
    other.append("ended", "late-0", state="done", result={}, started_ns=1, ended_ns=2)
    assert journal.find("late-0") is not None


def test_processes_that_make_the_journal_anew_at_once_lose_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from agent.respond import journal\n"
        "journal.LARGE = 5000; journal.KEEP_NS = 10**18\n"
        "j = journal.Journal(Path(sys.argv[1]))\n"
        "for n in range(60): j.append('ended', f'{sys.argv[2]}-{n}', result='y' * 300, ended_ns=10**18)\n"
    )
    writers = [subprocess.Popen([PYTHON, "-c", script, tmp_path, name]) for name in ("a", "b", "c")]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    journal = Journal(tmp_path)
    assert all(journal.find(f"{name}-{n}") is not None for name in ("a", "b", "c") for n in range(60))
