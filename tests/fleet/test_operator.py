"""What an operator does, end to end: through real namespaces, a real sshd and a real kernel."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.fleet import Fleet

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
TERCEL = Path(sys.executable).with_name("tercel")

RULES = """
- rule: Mark
  desc: a test opened its next file
  condition: evt.type in (open, openat) and fd.name startswith /tmp/marks/
  output: mark %fd.name
  priority: Informational
- rule: Secret read
  desc: a test read its secret
  condition: evt.type in (open, openat) and fd.name = /opt/secret and proc.name != allowed
  output: "%proc.name read %fd.name"
  priority: Critical
"""
PLAYBOOK = """
- action: End it
  actionner: kill_process
- rule: Secrets
  mode: enforce
  match:
    rules: [Secret read]
  actions:
    - action: End it
"""
MARKS = """
import os, sys, time
os.makedirs("/tmp/marks", exist_ok=True)
first, last, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for number in range(first, last):
    os.close(os.open("/tmp/marks/%d" % number, os.O_WRONLY | os.O_CREAT))
    time.sleep(pause)
"""


class Operator:
    """Runs ``tercel`` on a fleet with a home and a project of its own."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        self.project = folder
        (folder / "rules").mkdir(parents=True)
        (folder / "rules/test.yaml").write_text(RULES)
        (folder / "playbook.yaml").write_text(PLAYBOOK)
        shutil.copy(ROOT / "config/falco.yaml.j2", folder)
        self.environment = os.environ | {
            "TERCEL_HOME": str(folder / "home"),
            "TERCEL_INVENTORY": str(fleet.inventory),
        }
        self.log = folder / "run.log"
        self._run: subprocess.Popen[bytes] | None = None

    def tercel(self, *arguments: str, code: int = 0) -> str:
        """Run it; return its output, errors included. It must end with ``code``."""
        done = subprocess.run(
            [TERCEL, *arguments],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def build(self, *, code: int = 0) -> str:
        sources = ("--rules", "rules", "--playbooks", "playbook.yaml", "--config", "falco.yaml.j2")
        return self.tercel("release", "build", *sources, code=code)

    def start(self) -> None:
        """Start ``tercel run``; return once it holds every host."""
        with self.log.open("wb") as log:
            self._run = subprocess.Popen(
                [TERCEL, "run"], cwd=self.project, env=self.environment, stdout=log, stderr=log
            )
        until(lambda: self.log.read_text().count(": connected") >= len(self.fleet.hosts), "the hosts", 60)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        process, self._run = self._run, None
        if process is None:
            return None
        process.send_signal(number)
        return process.wait(20)

    def alerts(self, host: str, rule: str = "Mark") -> list[dict[str, Any]]:
        text = self.tercel("alerts", "--json", "--host", host, "--rule", rule, "--limit", "100000")
        return [json.loads(line) for line in text.splitlines()]

    def marks(self, host: str) -> list[int]:
        """The numbers of the marks that arrived, in order of arrival."""
        return [int(alert["output_fields"]["fd.name"].rsplit("/", 1)[-1]) for alert in self.alerts(host)]

    def actions(self) -> list[dict[str, Any]]:
        return list(json.loads(self.tercel("actions", "--json")))

    def status(self) -> dict[str, dict[str, Any]]:
        return {host["host"]: host for host in json.loads(self.tercel("status", "--json"))}

    def agent_pids(self) -> dict[str, str]:
        return {n: host.run(["cat", "/run/tercel/agent.pid"]).stdout for n, host in self.fleet.hosts.items()}


def until(holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.1)


def mark(fleet: Fleet, host: str, numbers: range, pause: float = 0.0) -> None:
    argv = ["/usr/bin/python3", "-c", MARKS, str(numbers.start), str(numbers.stop), str(pause)]
    fleet[host].run(argv, timeout=60)


@pytest.fixture(scope="module")
def operator(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The fleet with the agent installed and release 1 running on every host."""
    made = Operator(fleet, tmp_path_factory.mktemp("operator") / "project")
    for host in fleet.hosts.values():
        host.run(["sh", "-c", "echo secret > /opt/secret"])
    made.tercel("host", "install")
    made.build()
    made.tercel("push")
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture
def running(operator: Operator) -> Iterator[Operator]:
    """The operator with ``tercel run`` at work, which must end well."""
    operator.start()
    yield operator
    assert operator.end() in (0, None), operator.log.read_text()


def test_a_fit_host_is_called_fit(operator: Operator) -> None:
    assert "3 of 3 hosts fit" in operator.tercel("host", "check")


def test_a_second_install_changes_nothing(operator: Operator) -> None:
    before = operator.agent_pids()
    output = operator.tercel("host", "install")
    assert output.count("unchanged") >= 3, output
    assert operator.agent_pids() == before


def test_a_second_push_changes_nothing(operator: Operator) -> None:
    assert "0 changed, 3 unchanged, 0 failed" in operator.tercel("push")


def test_every_engine_reports_the_digest_of_what_was_pushed(operator: Operator) -> None:
    shown = json.loads(operator.tercel("release", "show", "--json"))
    pushed = json.loads(operator.tercel("push", "--json"))
    assert {host["host"]: host["digest"] for host in pushed["hosts"]} == shown["digests"]


def test_an_act_on_a_host_becomes_an_alert_at_the_controller(running: Operator) -> None:
    mark(running.fleet, "web1", range(1))
    until(lambda: 0 in running.marks("web1"), "the alert")
    alert = running.alerts("web1")[0]
    assert alert["priority"] == "Informational"
    assert alert["hostname"] == "web1"
    assert alert["output"].endswith("mark /tmp/marks/0")


def test_an_act_on_one_host_raises_nothing_on_another(running: Operator) -> None:
    mark(running.fleet, "web2", range(777, 778))
    until(lambda: 777 in running.marks("web2"), "the alert")
    assert 777 not in running.marks("web1")


def test_the_process_of_the_alert_is_killed_and_no_other(running: Operator) -> None:
    host, innocent = running.fleet["web1"], running.fleet["web2"]
    for each, file in ((innocent, "/etc/hostname"), (host, "/opt/secret")):
        each.run(["cp", "/usr/bin/tail", "/opt/reader"])
        each.popen(["/opt/reader", "-f", file])
        until(lambda each=each: bool(each.pids("reader")) or each is host, "the reader to start")  # type: ignore[misc]
    bystander = host.popen(["/opt/reader", "-f", "/etc/hostname"])
    until(lambda: any(a["state"] == "done" for a in running.actions()), "the action's end")
    assert len(host.pids("reader")) == 1
    assert bystander.poll() is None
    assert innocent.pids("reader") != []


def test_alerts_of_a_host_that_was_cut_off_arrive_once_and_in_order(running: Operator) -> None:
    fleet = running.fleet
    mark(fleet, "db1", range(50))
    until(lambda: len(running.marks("db1")) == 50, "the first alerts")
    fleet["db1"].cut()
    mark(fleet, "db1", range(50, 150), 0.01)
    assert len(running.marks("db1")) == 50
    fleet["db1"].restore()
    until(lambda: len(running.marks("db1")) >= 150, "the alerts from before the cut ended", 60)
    assert running.marks("db1") == list(range(150))


def test_killing_the_controller_loses_and_doubles_nothing(operator: Operator) -> None:
    first, step, rounds = 1000, 40, 4
    for number in range(rounds):
        operator.start()
        begin = first + number * step
        writer = operator.fleet["web2"].popen(
            ["/usr/bin/python3", "-c", MARKS, str(begin), str(begin + step), "0.02"]
        )
        until(lambda begin=begin: begin in operator.marks("web2"), "an alert of this round")  # type: ignore[misc]
        operator.end(signal.SIGKILL)
        assert writer.wait(20) == 0
    operator.start()
    last = first + rounds * step
    until(lambda: last - 1 in operator.marks("web2"), "the last alert")
    assert operator.end() == 0
    assert [n for n in operator.marks("web2") if n >= first] == list(range(first, last))


def test_a_broken_ruleset_becomes_no_release_and_the_hosts_keep_theirs(operator: Operator) -> None:
    before = {n: h["digest"] for n, h in operator.status().items()}
    broken = operator.project / "rules/broken.yaml"
    broken.write_text(
        "- rule: Broken\n  desc: d\n  condition: evt.type = open and no.such = 1\n"
        "  output: o\n  priority: Error\n"
    )
    try:
        said = operator.build(code=2)
    finally:
        broken.unlink()
    assert "broken.yaml:3:" in said
    assert "no.such" in said
    assert {n: h["digest"] for n, h in operator.status().items()} == before


def test_unreachable_and_forged_hosts_do_not_stop_the_others(operator: Operator) -> None:
    fleet = operator.fleet
    rule = operator.project / "rules/second.yaml"
    rule.write_text(
        "- rule: Second\n  desc: d\n  condition: evt.type in (open, openat) and fd.name = /tmp/second\n"
        "  output: second\n  priority: Error\n"
    )
    assert "built release 2-" in operator.build()
    fleet["web2"].new_key()
    fleet["db1"].cut()
    try:
        said = operator.tercel("push", code=1)
    finally:
        fleet["db1"].restore()
        known = fleet.known_hosts.read_text()
        fleet.write_known_hosts()
    assert "1 changed, 0 unchanged, 2 failed" in said
    assert "host key" in said
    assert known != fleet.known_hosts.read_text()
    assert "2 changed, 1 unchanged, 0 failed" in operator.tercel("push")


def test_a_new_release_is_in_force_without_a_restart(running: Operator) -> None:
    fleet = running.fleet
    before = running.agent_pids()
    rule = running.project / "rules/third.yaml"
    rule.write_text(
        "- rule: Third\n  desc: d\n  condition: evt.type in (open, openat) and fd.name = /tmp/third\n"
        "  output: third\n  priority: Error\n"
    )
    fleet["web1"].run(["touch", "/tmp/third"])
    writer = fleet["web1"].popen(["/usr/bin/python3", "-c", MARKS, "5000", "6000", "0.005"])
    running.build()
    running.tercel("push")
    fleet["web1"].run(["touch", "/tmp/third"])
    assert writer.wait(60) == 0
    until(lambda: 5999 in running.marks("web1"), "the last mark")
    assert [n for n in running.marks("web1") if n >= 5000] == list(range(5000, 6000))
    assert len(running.alerts("web1", "Third")) == 1
    assert running.agent_pids() == before
