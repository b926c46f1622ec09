"""The shipped rules on a real kernel: acts on a simulated host, and the rules that must answer.

Programs that a host may lack, or that would do harm, are copies of ``true`` under their names: the rules
are about what is executed and how, and that is the same.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demo.controller import Controller
from demo.fleet import Fleet, Host
from demo.screen import Screen

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
CONFIG = """
rules_files: [/etc/tercel/current/rules]
rule_matching: all
json_output: true
file_output: {enabled: true, filename: /var/log/tercel/alerts.json}
tercel: {own_pid_namespace: true}
"""
ACTS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("acts.yaml").read_text())
COPIES = sorted(set(re.findall(r"/opt/bin/(\w+)", "\n".join(ACTS.values()))))
INNOCENT = """
cat /etc/passwd /etc/hosts > /dev/null
id; ls -la /etc /root /var/log; ps ax; find /opt -name x; grep -r hello /opt
head -c 100 /dev/urandom > /opt/noise
touch /opt/y; chmod 755 /opt/y; echo > /var/log/app.log; rm /var/log/app.log; mv /opt/y /opt/z
/usr/bin/python3 -c 'import socket; socket.create_connection(("ADDRESS", 22))'
tar czf /opt/etc.tgz -C /etc hosts hostname; sh -c 'true'; ssh-keygen -q -t ed25519 -N "" -f /opt/key
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host whose agent runs the shipped rules and writes its alerts to a file."""
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "falco.yaml.j2").write_text(CONFIG)
    with Fleet.start(["web1"]) as fleet:
        tercel = Controller(Screen(), folder, fleet.inventory)
        tercel.run("host", "install")
        tercel.run("release", "build", "--rules", str(ROOT / "rules"), "--config", "falco.yaml.j2")
        tercel.run("push")
        host = fleet["web1"]
        host.run(["sh", "-c", "mkdir /opt/bin; for n; do cp /bin/true /opt/bin/$n; done", "copy", *COPIES])
        yield host


def alerts(host: Host, after: int) -> list[dict[str, object]]:
    file = host.folder / "var/log/tercel/alerts.json"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines[after:]]


def act(host: Host, script: str) -> None:
    host.run(["sh", "-c", script.replace("ADDRESS", host.address)], check=False)


def settled(host: Host, after: int, seconds: float = 0.5) -> list[dict[str, object]]:
    """The alerts since ``after``, once none has come for ``seconds``."""
    seen, since = alerts(host, after), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.05)
        if len(now := alerts(host, after)) != len(seen):
            seen, since = now, time.monotonic()
    return seen


def test_everyday_work_raises_nothing(host: Host) -> None:
    before = len(alerts(host, 0))
    act(host, INNOCENT)
    assert [(alert["rule"], alert["output"]) for alert in settled(host, before)] == []


@pytest.mark.parametrize("rule", ACTS)
def test_an_act_fires_its_rule(host: Host, rule: str) -> None:
    before = len(alerts(host, 0))
    act(host, ACTS[rule])
    deadline = time.monotonic() + 5
    while rule not in (found := {str(alert["rule"]) for alert in alerts(host, before)}):
        assert time.monotonic() < deadline, f"{ACTS[rule]!r} fired {found or 'nothing'}"
        time.sleep(0.02)
