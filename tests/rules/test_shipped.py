"""The rules and the configuration that tercel ships keep their promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from agent.language import Loaded, RulesFile, load
from agent.language.ruleset import Rule

ROOT = Path(__file__).parents[2]
TERCEL = Path(sys.executable).with_name("tercel")
TACTICS = {
    *("initial_access", "execution", "persistence", "privilege_escalation", "defense_evasion"),
    *("credential_access", "discovery", "lateral_movement", "command_and_control", "exfiltration", "impact"),
}
FILES = sorted(path for path in (ROOT / "rules").glob("*.yaml") if not path.stem.endswith("_test"))


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load([RulesFile(path.name, path.read_bytes()) for path in FILES])


@pytest.fixture(scope="module")
def rules(loaded: Loaded) -> list[Rule]:
    assert loaded.ruleset is not None, loaded.diagnostics
    return list(loaded.ruleset.rules)


def tercel(*arguments: str) -> None:
    done = subprocess.run([TERCEL, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_they_load_without_a_warning(loaded: Loaded) -> None:
    assert loaded.diagnostics == ()


def test_they_are_formatted() -> None:
    tercel("rules", "fmt", "--check", "rules")


def test_every_rule_fires_on_its_acts_and_not_on_its_near_misses() -> None:
    tercel("rules", "test", "rules")


def test_every_rule_has_an_act_and_a_near_miss(rules: list[Rule]) -> None:
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*_test.yaml"))
    for key in ("fires", "silent"):
        lacking = [
            rule.name for rule in rules if not re.search(rf'{key}: "?{re.escape(rule.name)}"?\n', text)
        ]
        assert lacking == [], key


def test_there_are_rules_for_every_tactic(rules: list[Rule]) -> None:
    assert len(rules) >= 40
    assert {
        tag.removeprefix("mitre_") for rule in rules for tag in rule.tags if tag.startswith("mitre_")
    } == TACTICS


def test_every_rule_is_tagged_by_maturity_place_tactic_and_technique(rules: list[Rule]) -> None:
    for rule in rules:
        tags = set(rule.tags)
        assert len(tags & {"maturity_stable", "maturity_incubating", "maturity_sandbox"}) == 1, rule.name
        assert tags & {"host", "container"}, rule.name
        assert any(tag.startswith("mitre_") for tag in tags), rule.name
        assert any(re.fullmatch(r"T1\d{3}(\.\d{3})?", tag) for tag in tags), rule.name


def test_every_rule_says_what_to_do_next(rules: list[Rule]) -> None:
    assert [rule.name for rule in rules if "Next: " not in rule.desc] == []


def test_every_alert_says_who_did_it_and_where(rules: list[Rule]) -> None:
    for rule in rules:
        for field in ("%proc.cmdline", "%container.id"):
            assert field in rule.output_text, f"{rule.name}: {field}"
