"""What a playbook may say, what it means, and what it is told when it is wrong."""

from __future__ import annotations

import unicodedata
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.respond.playbook import ENFORCE, SHADOW, Loaded, Rule, load
from controller.respond.source import ERROR, WARNING, PlaybookFile

MINIMAL = """
- action: Kill
  actionner: kill_process

- rule: Credentials
  match:
    rules: [Read shadow]
  actions:
    - action: Kill
"""


def _load(*texts: str, known_rules: set[str] | None = None) -> Loaded:
    files = [PlaybookFile(f"p{number}.yaml", dedent(text).encode()) for number, text in enumerate(texts, 1)]
    return load(files, known_rules)


def _rules(*texts: str) -> tuple[Rule, ...]:
    loaded = _load(*texts)
    assert loaded.rules is not None, [str(problem) for problem in loaded.problems]
    return loaded.rules


def _errors(*texts: str) -> list[str]:
    loaded = _load(*texts)
    assert loaded.rules is None
    return [str(problem) for problem in loaded.problems if problem.severity == ERROR]


def _warnings(*texts: str, known_rules: set[str] | None = None) -> list[str]:
    loaded = _load(*texts, known_rules=known_rules)
    return [str(problem) for problem in loaded.problems if problem.severity == WARNING]


def test_talons_shape_loads_and_is_in_shadow_mode_until_told_otherwise() -> None:
    (rule,) = _rules(MINIMAL)
    assert rule.mode == SHADOW
    assert rule.playbook == "p1.yaml"
    assert [(step.name, step.responder) for step in rule.steps] == [("Kill", "kill_process")]


def test_parameters_are_completed_from_the_description() -> None:
    (rule,) = _rules(MINIMAL)
    assert rule.steps[0].parameters == {
        "signal": "SIGKILL",
        "tree": False,
        "timeout": 5.0,
        "after_exec": "refuse",
    }


def test_a_rule_gives_an_action_other_parameters() -> None:
    (rule,) = _rules(MINIMAL + "      parameters: {tree: true}\n")
    assert rule.steps[0].parameters["tree"] is True


def test_an_action_can_be_written_where_it_is_used() -> None:
    (rule,) = _rules("""
        - rule: R
          match: {rules: [A]}
          actions:
            - action: Kill it
              actionner: kill_process
              ignore_errors: true
              continue: "true"
    """)
    assert rule.steps[0].ignore_errors
    assert rule.steps[0].continues


def test_an_action_takes_over_what_its_responder_does_about_continuing() -> None:
    assert _rules(MINIMAL)[0].steps[0].continues is False


def test_dry_run_is_shadow_mode() -> None:
    (rule,) = _rules(MINIMAL + "  mode: enforce\n  dry_run: true\n")
    assert rule.mode == SHADOW


def test_later_files_change_rules_by_name() -> None:
    (rule,) = _rules(
        MINIMAL + "  description: first\n",
        """
        - rule: Credentials
          mode: enforce
          description: second
          match:
            rules: [Read gshadow]
            priority: ">=Warning"
          hosts: [web]
        """,
    )
    assert rule.mode == ENFORCE
    assert rule.description == "second"
    assert rule.match.rules == {"Read shadow", "Read gshadow"}
    assert str(rule.match.priority) == ">=Warning"
    assert rule.hosts == ("web",)
    assert rule.playbook == "p1.yaml"
    assert len(rule.steps) == 1


def test_later_files_change_parameters_of_actions_by_name() -> None:
    (rule,) = _rules(MINIMAL, "- action: Kill\n  parameters: {signal: SIGTERM}\n")
    assert rule.steps[0].parameters["signal"] == "SIGTERM"


def test_an_empty_file_holds_no_rules() -> None:
    assert _rules("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- rule: [", "p1.yaml:1:"),
        ("rule: R\n", "p1.yaml:1:1: error: a playbook is a list of blocks"),
        ("- 7\n", "p1.yaml:1:3: error: a block is a mapping"),
        ("- foo: 1\n", "p1.yaml:1:3: error: neither an action nor a rule"),
        ("- rule: A\n  rule: B\n", "p1.yaml:2:3: error: the key rule is there twice: keep one"),
        (MINIMAL + "  mod: shadow\n", "p1.yaml:10:3: error: unknown key mod: did you mean mode?"),
        (MINIMAL + "  mode: loud\n", "p1.yaml:10:3: error: mode cannot be 'loud'"),
        (
            MINIMAL + "  mode: approve\n",
            "p1.yaml:10:3: error: mode: approve does not exist yet: write mode: shadow or mode: enforce",
        ),
        (MINIMAL + "  ttl: 10m\n", "p1.yaml:10:3: error: unknown key ttl: it does not exist yet"),
        (
            MINIMAL + "  continue: maybe\n",
            "p1.yaml:10:3: error: continue cannot be 'maybe': write true or false",
        ),
        (MINIMAL.replace("[Read shadow]", "Read shadow"), "p1.yaml:7:5: error: rules must be a list"),
        (MINIMAL.replace("rules:", "rule:"), "p1.yaml:7:5: error: unknown key rule: did you mean rules?"),
        (
            MINIMAL.replace("    - action: Kill", "    - action: Kil"),
            "p1.yaml:9:7: error: there is no action Kil: did you mean Kill?",
        ),
        (
            MINIMAL.replace("kill_process", "kubernetes:terminate"),
            "p1.yaml:3:3: error: kubernetes:terminate has no meaning on a host: a host has: capture",
        ),
        (
            MINIMAL.replace("kill_process", "kill_proces"),
            "p1.yaml:3:3: error: there is no responder kill_proces: did you mean kill_process?",
        ),
        (
            MINIMAL.replace("actionner: kill_process", "actionner: kill_process\n  parameters: {signal: 9}"),
            "error: action Kill: signal must be text, not 9",
        ),
        (
            MINIMAL.replace("[Read shadow]", "[Read shadow]\n    priority: urgent"),
            "p1.yaml:8:5: error: 'urgent' is no priority: one of Emergency",
        ),
        (
            MINIMAL.replace("[Read shadow]", "[Read shadow]\n    output_fields: [proc.name]"),
            "p1.yaml:8:21: error: 'proc.name' is no test of a field",
        ),
        (MINIMAL.replace("[Read shadow]", "[]") + "  mode: enforce\n", "for every alert that there is"),
        ("- rule: R\n  match: {rules: [A]}\n", "rule R has no actions"),
        ("- rule: R\n  condition: x\n", "p1.yaml:1:3: error: this belongs to a ruleset, not to a playbook"),
        ("- rule: \x01\n", "not YAML"),
    ],
)
def test_an_error_names_the_place_and_the_fix(text: str, message: str) -> None:
    errors = _errors(text)
    assert any(message in error for error in errors), errors


def test_every_error_is_told_not_only_the_first() -> None:
    errors = _errors("- rule: A\n  mod: x\n- rule: B\n  hots: [web]\n", "- foo: 1\n")
    assert len(errors) == 3


def test_an_error_in_an_appended_step_names_the_file_that_appended_it() -> None:
    errors = _errors(MINIMAL, "- rule: Credentials\n  actions:\n    - action: Nope\n")
    fix = "add an `- action:` block, or `actionner:` here"
    assert errors == [f"p2.yaml:3:7: error: there is no action Nope: {fix}"]


def test_a_step_that_is_never_reached_is_warned_of() -> None:
    (warning,) = _warnings(MINIMAL + "    - action: Kill\n")
    assert "this step is never reached: Kill ends the rule: add continue: true to Kill" in warning


def test_a_rule_that_the_ruleset_lacks_is_warned_of() -> None:
    (warning,) = _warnings(MINIMAL, known_rules={"Read shadow file"})
    assert "no rule of the ruleset is called Read shadow: did you mean Read shadow file?" in warning


def test_an_alias_bomb_is_refused() -> None:
    lines = ["- rule: R", "  match: &a0 {rules: [x]}"]
    lines += [f"  k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "too deep or too large" in _errors("\n".join(lines))[0]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    loaded = load([PlaybookFile("p", content)])
    assert loaded.rules is not None or loaded.problems


@given(st.text(max_size=80))
def test_problems_print_without_control_characters(text: str) -> None:
    loaded = load([PlaybookFile("p", f"- rule: {text}\n  {text}: 1\n".encode(errors="replace"))])
    told = "".join(map(str, loaded.problems))
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in told)
