from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sshd import Sshd

from controller.home import Home
from controller.store import Store, actions, alerts

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tercel(home: Home, tmp_path: Path) -> Run:
    assert home

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", "from controller.cli import main; main()", *arguments]
        return subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_no_inventory_is_one_clear_message(tercel: Run) -> None:
    done = tercel("host", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "tercel: inventory.yml: there is no such inventory: name one with -i or TERCEL_INVENTORY\n"
    )


def test_hosts_are_listed_plainly_in_a_pipe(tercel: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("web: {hosts: {'w[1:2]': {ansible_port: 2222}}}\n")
    lines = [line.split() for line in tercel("host", "list").stdout.splitlines()]
    assert lines == [
        ["host", "groups", "address", "port", "user"],
        ["w1", "web", "w1", "2222", "root"],
        ["w2", "web", "w2", "2222", "root"],
    ]
    assert [host["name"] for host in json.loads(tercel("host", "list", "--json", "-l", "w2").stdout)] == [
        "w2"
    ]


def test_a_release_is_built_listed_and_shown(tercel: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("web: {hosts: {w1: }}\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.yaml").write_text("- list: names\n  items: [x]\n")
    built = tercel("release", "build", "-m", "first")
    assert built.returncode == 0, built.stderr
    listed = json.loads(tercel("release", "list", "--json").stdout)
    assert [(entry["number"], entry["description"]) for entry in listed] == [(1, "first")]
    shown = json.loads(tercel("release", "show", "1", "--json").stdout)
    assert list(shown["files"]) == ["rules/001-a.yaml"]
    assert list(shown["digests"]) == ["w1"]


def test_a_push_to_a_host_that_is_not_there_fails_and_says_why(tercel: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(
        "web: {hosts: {w1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
    )
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/a.yaml").write_text("- list: names\n  items: [x]\n")
    tercel("release", "build")
    done = tercel("push")
    assert done.returncode == 1
    assert "cannot connect to 127.0.0.1 port 1: Connection refused" in done.stdout
    assert "1 failed" in done.stdout
    (pushed,) = json.loads(tercel("release", "show", "--json").stdout)["deployments"]
    assert (pushed["host"], pushed["outcome"]) == ("w1", "failed")


def test_status_of_a_host_that_was_never_seen(tercel: Run, tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text("web: {hosts: {w1: }}\n")
    done = tercel("status", "--stored", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["state"] == "never seen"


def store_alert(store: Store, output: str) -> None:
    line = {"rule": "R", "priority": "Warning", "output": output}
    record = alerts.SpoolRecord("w1", "e1", 1, None, None, line, {"pid": 7}, 10**18, None, None, 10**18)
    with store.write() as tx:
        alerts.add(tx, [record], stored_ns=10**18)
        action = actions.NewAction(
            "k", "w1", "e1", 1, "R", "p.yaml", "stop", "enforce", "kill_process", {}, {"pid": 7}
        )
        actions.plan(tx, action, at_ns=10**18 + 2_000_000, who="playbook", why="p.yaml: stop")
        actions.move(tx, "k", actions.Transition("sent", 10**18 + 3_000_000, "controller", ""))


def test_alerts_are_shown_without_obeying_their_escape_codes(tercel: Run, store: Store) -> None:
    store_alert(store, "evil \x1b]0;owned\x07 name")
    shown = tercel("alerts").stdout
    assert "\x1b" not in shown
    assert r"evil \x1b]0;owned\x07 name" in shown
    (line,) = tercel("alerts", "--json").stdout.splitlines()
    assert json.loads(line)["output"] == "evil \x1b]0;owned\x07 name"
    assert json.loads(line)["tercel"]["host"] == "w1"
    assert "\x1b" not in line


def test_an_unknown_priority_is_refused(tercel: Run) -> None:
    done = tercel("alerts", "--priority", "loud")
    assert done.returncode == 2
    assert "'loud' is no priority" in done.stderr


def test_an_actions_timeline_is_in_milliseconds(tercel: Run, store: Store) -> None:
    store_alert(store, "x")
    shown = tercel("actions").stdout
    assert "event > received +0.0 > planned +2.0 > sent +1.0 = 3.0 ms" in shown
    (action,) = json.loads(tercel("actions", "--json").stdout)
    assert [step["step"] for step in action["timeline"]] == ["event", "received", "planned", "sent"]


@pytest.mark.fleet
def test_hosts_are_checked_and_one_that_fails_stops_no_other(tercel: Run, sshd: Sshd, tmp_path: Path) -> None:
    known = sshd.variables()
    unknown = known.replace(str(sshd.known_hosts), "/dev/null")
    gone = known.replace(f"ansible_port: {sshd.port}", "ansible_port: 1")
    (tmp_path / "inventory.yml").write_text(
        f"all: {{hosts: {{good: {known}, stranger: {unknown}, gone: {gone}}}}}\n"
    )
    done = tercel("host", "check", "--json")
    assert done.returncode == 1
    found = {host["host"]: host for host in json.loads(done.stdout)}
    assert found["good"]["error"] is None
    assert found["good"]["facts"]["root"] is True
    assert abs(found["good"]["facts"]["clock_offset"]) < 1
    assert "host key is unknown" in found["stranger"]["error"]
    assert "Connection refused" in found["gone"]["error"]
    plain = tercel("host", "check")
    assert "stranger: its host key is unknown" in plain.stderr


@pytest.mark.fleet
def test_a_python_that_is_not_there_is_told_with_the_fix(tercel: Run, sshd: Sshd, tmp_path: Path) -> None:
    variables = sshd.variables().replace("{", "{ansible_python_interpreter: /opt/none/python, ", 1)
    (tmp_path / "inventory.yml").write_text(f"all: {{hosts: {{w1: {variables}}}}}\n")
    done = tercel("host", "check")
    assert done.returncode == 1
    assert "no Python 3 was found: install it, or name it in ansible_python_interpreter" in done.stderr
