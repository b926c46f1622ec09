"""The rules of the three upstream rulesets, acted out on this kernel against a real agent.

The login uid marks the processes of one act: the kernel hands it to all descendants, and every
upstream rule prints it.
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.live.upstream import incubating_acts, sandbox_acts, stable_acts
from tests.live.upstream.act import Act

ROOT = Path(__file__).resolve().parents[3]
FALCO = Path(os.environ.get("TERCEL_FALCO_DATA", ROOT.parent / "shared" / "falco"))
RULESETS = {
    "falco_rules.yaml": stable_acts,
    "falco-incubating_rules.yaml": incubating_acts,
    "falco-sandbox_rules.yaml": sandbox_acts,
}
ACTS = [act for acts in RULESETS.values() for act in acts.ACTS]
FIRST_MARK = 70_000
"""Login uid of the first act; the others follow."""
CONTAINER = "docker/" + "7e5ce1" * 10 + "0000"
SENTINEL_RULE = """
- rule: Sentinel
  desc: the acts are over
  condition: evt.type in (open, openat) and fd.name = {path}
  output: sentinel | loginuid=%user.loginuid
  priority: DEBUG
"""

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(180)]


def cgroup_mounts() -> list[Path]:
    """The mounted control group hierarchies, version 1 and 2."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [Path(line.split()[1]) for line in lines if line.split()[2] in ("cgroup", "cgroup2")]


def enter_container() -> None:
    """Move this process below a control group of the shape that Docker gives its containers."""
    for mount in cgroup_mounts():
        group = mount / CONTAINER
        group.mkdir(parents=True, exist_ok=True)
        if (group / "cpuset.cpus").exists():
            for name in ("cpuset.cpus", "cpuset.mems"):
                for part in (group.parent, group):
                    (part / name).write_text((mount / name).read_text())
        (group / "cgroup.procs").write_text(str(os.getpid()))


def leave_no_container() -> None:
    """Remove the control groups again."""
    for mount in cgroup_mounts():
        for group in (mount / CONTAINER, (mount / CONTAINER).parent):
            if group.exists() and not any(part.is_dir() for part in group.iterdir()):
                group.rmdir()


def perform(act: Act, mark: int, folder: Path) -> str:
    """Run an act to its end in a process marked by its login uid; return what it printed."""
    folder.mkdir()

    def prepare() -> None:
        Path("/proc/self/loginuid").write_text(str(mark))
        if act.container:
            enter_container()

    prelude = Path(__file__).with_name("prelude.py").read_text()
    done = subprocess.run(
        ["/usr/bin/python3", "-c", prelude + "\n" + act.code],
        cwd=folder,
        preexec_fn=prepare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"exit {done.returncode}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[int, set[str]], dict[int, str]]]:
    """Every act, done once under one agent: login uid to the rules that fired, and what the act printed."""
    skip_without_rules()
    folder = tmp_path_factory.mktemp("stable")
    sentinel, alerts = folder / "sentinel", folder / "alerts.json"
    (folder / "sentinel.yaml").write_text(SENTINEL_RULE.format(path=sentinel))
    config = {
        "rules_files": [*(str(FALCO / "rules" / name) for name in RULESETS), str(folder / "sentinel.yaml")],
        "rules": [{"enable": {"rule": "*"}}],
        "rule_matching": "all",
        "json_output": True,
        "stdout_output": {"enabled": False},
        "file_output": {"enabled": True, "keep_alive": True, "filename": str(alerts)},
    }
    (folder / "falco.yaml").write_text(yaml.safe_dump(config))
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "run", "-c", str(folder / "falco.yaml")],
            cwd=ROOT,
            env={**os.environ, "TERCEL_ROOT": str(folder / "root")},
            stdout=log,
            stderr=log,
        )
    try:
        wait_for_sentinel(agent, sentinel, alerts, folder / "agent.log")
        with ThreadPoolExecutor(2) as pool:
            printed = list(
                pool.map(lambda i: perform(ACTS[i], FIRST_MARK + i, folder / f"act{i}"), range(len(ACTS)))
            )
        wait_for_sentinel(agent, sentinel, alerts, folder / "agent.log")
        assert "syscall event drop" not in alerts.read_text(), "the machine was too busy: " + last_drop(
            alerts
        )
        by_mark: dict[int, set[str]] = defaultdict(set)
        for line in alerts.read_text().splitlines():
            alert = json.loads(line)
            by_mark[int(alert["output_fields"].get("user.loginuid") or -1)].add(alert["rule"])
        yield by_mark, {FIRST_MARK + number: text for number, text in enumerate(printed)}
    finally:
        agent.terminate()
        agent.wait(timeout=30)
        leave_no_container()


def wait_for_sentinel(agent: "subprocess.Popen[bytes]", sentinel: Path, alerts: Path, log: Path) -> None:
    """Open the sentinel until a new alert about it is written: all events before it have been judged."""
    seen = alerts.read_text().count('"Sentinel"') if alerts.exists() else 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert agent.poll() is None, log.read_text()
        sentinel.write_bytes(b"")
        if alerts.exists() and alerts.read_text().count('"Sentinel"') > seen:
            return
        time.sleep(0.1)
    pytest.fail("the agent did not see the sentinel:\n" + log.read_text())


def last_drop(alerts: Path) -> str:
    """What the agent itself said of the events that it lost."""
    return [line for line in alerts.read_text().splitlines() if "syscall event drop" in line][-1]


@pytest.mark.parametrize("number", range(len(ACTS)), ids=lambda n: f"{ACTS[n].rule}-{n}")
def test_the_rule_fires_on_its_act_and_not_on_the_near_miss(
    fired: tuple[dict[int, set[str]], dict[int, str]], number: int
) -> None:
    act, mark = ACTS[number], FIRST_MARK + number
    by_mark, printed = fired
    assert (act.rule in by_mark[mark]) is act.fires, (
        f"{act.note or act.code}\nfired: {sorted(by_mark[mark])}\n{printed[mark]}"
    )


@pytest.mark.parametrize("name", RULESETS)
def test_every_rule_is_acted_out_or_its_absence_is_explained(name: str) -> None:
    skip_without_rules()
    items = yaml.safe_load((FALCO / "rules" / name).read_text())
    rules = {item["rule"] for item in items if "rule" in item}
    acts = RULESETS[name]
    fires, misses = ({a.rule for a in acts.ACTS if a.fires is wanted} for wanted in (True, False))
    assert fires & misses == rules - set(acts.NOT_HERE)


def skip_without_rules() -> None:
    """Upstream's rules are data beside the project, not part of it."""
    if not (FALCO / "rules").is_dir():
        pytest.skip(f"no upstream rules in {FALCO}: set TERCEL_FALCO_DATA")
