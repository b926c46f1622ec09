"""``tercel playbook`` and ``tercel responders``, as an operator calls them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.cli.playbook import read_files
from controller.respond.playbook import load
from controller.rules.files import expand
from responders.registry import RESPONDERS, descriptions

from .helpers import PYTHON

Tercel = Callable[..., "subprocess.CompletedProcess[str]"]
SHIPPED = Path(__file__).parents[2] / "playbooks"
GOOD = """
- rule: R
  mode: enforce
  match: {rules: [Read shadow]}
  hosts: [web]
  actions: [{action: K, actionner: kill_process}]
"""


@pytest.fixture
def tercel(tmp_path: Path) -> Tercel:
    def run(*argv: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [PYTHON, "-c", "from controller.cli import main; main()", *argv]
        return subprocess.run(command, capture_output=True, text=True, input=text, check=False, cwd=tmp_path)

    return run


def test_check_tells_every_problem_and_fails(tercel: Tercel, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(GOOD.replace("kill_process", "kil_process") + "  hots: [web]\n")
    run = tercel("playbook", "check", "p.yaml")
    assert run.returncode == 2
    assert "p.yaml:7:3: error: unknown key hots: did you mean hosts?" in run.stderr


def test_check_is_content_with_a_good_one(tercel: Tercel, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    run = tercel("playbook", "check", "p.yaml")
    assert (run.returncode, run.stderr, run.stdout) == (0, "", "1 rule(s): 1 enforce, 0 shadow\n")


def test_a_file_that_is_not_there_is_said(tercel: Tercel) -> None:
    run = tercel("playbook", "check", "nowhere.yaml")
    assert run.returncode == 2
    assert run.stderr == "tercel: nowhere.yaml: cannot read it: No such file or directory\n"


def test_show_prints_the_merged_result(tercel: Tercel, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text("- rule: R\n  mode: shadow\n")
    (rule,) = json.loads(tercel("playbook", "show", "a.yaml", "b.yaml", "--json").stdout)
    assert rule["mode"] == "shadow"
    assert rule["actions"][0]["parameters"]["signal"] == "SIGKILL"


def test_test_says_what_alerts_would_lead_to_and_escapes_what_they_hold(
    tercel: Tercel, tmp_path: Path
) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    alerts = [{"rule": "Read shadow", "tercel": {"host": "web1\x1b[2J"}}, {"rule": "Other"}]
    text = "\n".join(json.dumps(alert) for alert in alerts)
    run = tercel("playbook", "test", "p.yaml", "--alerts", "-", "--group", "web", text=text)
    assert run.returncode == 0
    assert "kill_process" in run.stdout
    assert "web1\\x1b[2J" in run.stdout
    assert "\x1b" not in run.stdout


def test_test_names_the_line_that_is_no_alert(tercel: Tercel, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    run = tercel("playbook", "test", "p.yaml", "--alerts", "-", text='{"rule": "x"}\nnot json\n')
    assert run.returncode == 2
    assert ":2: not JSON" in run.stderr


def test_responders_are_listed_with_all_that_is_known(tercel: Tercel) -> None:
    listed = {one["name"]: one for one in json.loads(tercel("responders", "--json").stdout)}
    assert set(listed) == set(RESPONDERS)
    assert listed["kill_process"]["destructive"] is True
    assert "--tree" not in tercel("responders", "kill_process").stdout
    assert tercel("responders", "nope").returncode == 2


@pytest.mark.parametrize("name", sorted(RESPONDERS))
def test_a_responders_example_is_a_playbook(name: str, tmp_path: Path) -> None:
    rule = "- rule: R\n  match: {rules: [A]}\n  actions: [{action: A}]\n"
    example = RESPONDERS[name].DESCRIPTION.example
    action = example.split("\n", 1)[0].removeprefix("- action: ")
    (tmp_path / "p.yaml").write_text(example + rule.replace("action: A", f"action: {action}"))
    loaded = load(read_files([tmp_path / "p.yaml"]))
    assert loaded.rules is not None, list(map(str, loaded.problems))
    assert loaded.rules[0].steps[0].responder == name


def test_descriptions_are_complete() -> None:
    for one in descriptions():
        assert one.summary.endswith(".")
        assert one.check({}) == {each.name: each.default for each in one.parameters}


def test_the_shipped_playbooks_load_and_enforce_nothing() -> None:
    loaded = load(read_files([SHIPPED]))
    assert loaded.problems == ()
    assert loaded.rules
    assert {rule.mode for rule in loaded.rules} == {"shadow"}


def test_the_shipped_playbooks_answer_rules_that_are_shipped() -> None:
    blocks = [block for path in expand(SHIPPED.parent / "rules", "rules") for block in _yaml(path)]
    assert load(read_files([SHIPPED]), {block["rule"] for block in blocks if "rule" in block}).problems == ()


def _yaml(path: Path) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    return blocks
