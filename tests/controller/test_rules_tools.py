"""``tercel rules``: check, fmt, diff, test, show, fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agent.language import Ruleset, RulesFile, load
from agent.language.yaml_reader import YamlError
from controller.cli.rules import app
from controller.rules.compare import compare
from controller.rules.fmt import FormatError, format_rules
from controller.rules.layout import WIDTH, lines, one_line

GOOD = """\
- list: shells
  items: [bash, sh]

- macro: spawned_process
  condition: evt.type in (execve, execveat)

- rule: Shell started by a server
  desc: d
  condition: spawned_process and proc.name in (shells) and proc.pname = nginx
  output: shell (name=%proc.name)
  priority: WARNING
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(GOOD.replace("proc.pname", "proc.pnam"))
    Path("warned.yaml").write_text(GOOD + "\n- list: unused\n  items: [a]\n")
    return lambda *args: CliRunner().invoke(app, list(args))


def ruleset(text: str) -> Ruleset:
    found = load([RulesFile("a.yaml", text.encode())])
    assert found.ruleset is not None, found.errors
    return found.ruleset


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["good.yaml"], 0),
        (["warned.yaml"], 0),
        (["warned.yaml", "--strict"], 1),
        (["bad.yaml"], 2),
        (["good.yaml", "bad.yaml", "--json"], 2),
    ],
)
def test_check_ends_with_a_code_that_says_what_it_found(run: Run, args: list[str], code: int) -> None:
    assert run("check", *args).exit_code == code


def test_check_shows_place_line_caret_and_what_to_do(run: Run) -> None:
    shown = run("check", "bad.yaml").output
    assert "bad.yaml:9:60: error: filter_check called with nonexistent field proc.pnam" in shown
    assert "|                                                            ^~~~~~~~~\n" in shown
    assert "help: did you mean proc.pname?" in shown
    assert "1 file, 1 error, 0 warnings" in shown


def test_check_prints_falcos_json(run: Run) -> None:
    (result,) = json.loads(run("check", "bad.yaml", "--json").output)["falco_load_results"]
    assert (result["name"], result["successful"], result["warnings"]) == ("bad.yaml", False, [])
    (error,) = result["errors"]
    assert error["code"] == "LOAD_ERR_COMPILE_CONDITION"
    assert [step["item_type"] for step in error["context"]["locations"]] == [
        "rules content",
        "rule",
        "rule condition",
        "condition expression",
    ]
    assert error["context"]["snippet"].endswith("^\n")


def test_a_folder_stands_for_its_rules_by_name_without_the_test_cases(run: Run) -> None:
    folder = Path("rules")
    folder.mkdir()
    (folder / "20-rule.yml").write_text(GOOD.split("\n\n")[2])
    (folder / "10-first.yaml").write_text("\n".join(GOOD.split("\n\n")[:2]))
    (folder / "10-first_test.yaml").write_text("cases: []")
    (folder / "README.md").write_text("no rules")
    assert run("check", "rules").output == "2 files, 0 errors, 0 warnings\n"


def test_show_has_everything_resolved(run: Run) -> None:
    shown = json.loads(run("show", "Shell started by a server", "good.yaml", "--json").output)
    assert (
        shown["expanded"]
        == "evt.type in (execve, execveat) and proc.name in (bash, sh) and proc.pname = nginx"
    )
    assert shown["fields"] == {"evt.type": "CHARBUF", "proc.name": "CHARBUF", "proc.pname": "CHARBUF"}
    assert shown["event types"] == ["execve", "execveat"]
    assert (shown["macros"], shown["lists"]) == (["spawned_process"], ["shells"])


def test_show_guesses_a_misspelt_rule(run: Run) -> None:
    assert "did you mean Shell started by a server?" in str(
        run("show", "Shell started by server", "good.yaml").exception
    )


def test_fields_lists_the_catalogue(run: Run) -> None:
    fields = {field["name"]: field for field in json.loads(run("fields", "--json").output)}
    assert fields["fd.num"]["type"] == "INT64"
    assert "proc.name" in run("fields").output


def test_diff_names_the_rules_that_a_changed_list_reaches() -> None:
    after = GOOD.replace("[bash, sh]", "[bash, zsh]").replace("priority: WARNING", "priority: ERROR")
    rule, changed = compare(ruleset(GOOD), ruleset(after))
    assert [(detail.what, detail.before, detail.after) for detail in rule.details] == [
        ("priority", "Warning", "Error")
    ]
    assert (changed.kind, changed.name, changed.reaches) == ("list", "shells", ("Shell started by a server",))
    assert [(detail.before, detail.after) for detail in changed.details] == [(["sh"], ["zsh"])]


def test_diff_sees_no_change_in_layout() -> None:
    after = GOOD.replace("and proc.pname = nginx", "\n    and proc.pname=nginx")
    assert compare(ruleset(GOOD), ruleset(after)) == []


def test_diff_command_shows_what_changed(run: Run) -> None:
    shown = run("diff", "good.yaml", "warned.yaml").output
    assert shown == "added list unused\n1 difference(s)\n"


CASES = """\
given: {proc.pname: nginx}
cases:
- name: one
  event: {evt.type: execve, proc.name: bash}
  fires: Shell started by a server
  output: name=bash
- name: two
  event: {evt.type: execve, proc.name: ls}
  fires: []
- name: three
  event: {evt.type: execve, proc.name: bash, proc.pname: null}
  silent: [Shell started by a server]
"""


def test_cases_pass_and_fail_by_what_fires(run: Run) -> None:
    Path("good_test.yaml").write_text(CASES)
    result = run("test", "good_test.yaml")
    assert (result.output, result.exit_code) == ("3 passed, 0 failed\n", 0)
    Path("good_test.yaml").write_text(CASES.replace("proc.name: ls", "proc.name: sh"))
    result = run("test", "good.yaml")
    assert (
        "FAILED good_test.yaml:7:3: two\n         Shell started by a server fires: shell (name=sh)\n"
        in result.output
    )
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("proc.nam:", "proc.name:", "4:29: no such field: proc.nam; did you mean proc.name?"),
        ("exeve", "execve", "unknown event type exeve; did you mean execve?"),
        ("fires: Shell by", "fires: Shell started by", "no such rule: Shell by a server"),
        ("event: {evt.type: execve, fd.num: x", "event: {evt.type: execve", "fd.num is INT64"),
        ("evnt:", "event:", "unknown key 'evnt': did you mean event?"),
        ("  silence:", "  silent:", "unknown key 'silence'"),
    ],
)
def test_a_wrong_case_file_is_refused_with_its_place(run: Run, wrong: str, right: str, message: str) -> None:
    Path("good_test.yaml").write_text(CASES.replace(right, wrong, 1))
    error = str(run("test", "good_test.yaml").exception)
    assert error.startswith("good_test.yaml:")
    assert message in error


def test_fmt_lays_out_conditions_and_keeps_comments(run: Run) -> None:
    Path("ugly.yaml").write_text(
        "# head\r\n- macro: m   \n  condition:   evt.type=open   and proc.name in (a,b)\n# about the list\n"
        "- list: l  # here\n  items: [a,b]\n\n\n\n- macro: n\n  condition: >\n    m and\n"
        '      not proc.name = "a  b"\n\n'
    )
    assert run("fmt", "--check", "ugly.yaml").exit_code == 1
    assert "+  condition: evt.type = open and proc.name in (a, b)" in run("fmt", "--diff", "ugly.yaml").output
    assert run("fmt", "ugly.yaml").exit_code == 0
    assert Path("ugly.yaml").read_text() == (
        "# head\n- macro: m\n  condition: evt.type = open and proc.name in (a, b)\n\n# about the list\n"
        '- list: l  # here\n  items: [a,b]\n\n- macro: n\n  condition: m and not proc.name = "a  b"\n'
    )
    assert run("fmt", "--check", "ugly.yaml").exit_code == 0


def test_a_long_condition_is_broken_before_and_and_or() -> None:
    names = ", ".join(f"program{n}" for n in range(8))
    broken = lines(
        f"evt.type=execve and (proc.name in ({names}) or proc.pname in ({names})) and not proc.tty=0"
    )
    assert broken == [
        "evt.type = execve",
        "and (",
        f"  proc.name in ({names})",
        f"  or proc.pname in ({names})",
        ")",
        "and not proc.tty = 0",
    ]


def test_a_text_that_is_appended_to_a_condition_is_laid_out_too() -> None:
    assert one_line("and   proc.name=x") == "and proc.name = x"


def test_a_condition_that_does_not_parse_is_left_alone() -> None:
    assert one_line("proc.name = = x") is None


PIECES = (
    *("- macro: m\n", "  condition: ", "evt.type=open", "\n", " and x", ">\n    ", "|\n    ", "# c\n"),
    *("- list: l\n", "  items: [a,b]\n", "\n\n\n", "  ", "'", "- rule: a\n", "  desc: x  \n", "---\n"),
    *("|+\n    a\n\n\n", "\t"),
)
WORDS = st.sampled_from(
    (
        "evt.type=open",
        "proc.name in (a,b)",
        'proc.args contains "x  (y"',
        "m",
        "not m",
        "tolower(proc.name) = a",
        "fd.num>=0",
    )
)
CONDITIONS = st.recursive(
    WORDS,
    lambda inner: st.tuples(inner, st.sampled_from([" and ", "\n or "]), inner, st.booleans()).map(
        lambda parts: f"({parts[0]}{parts[1]}{parts[2]})" if parts[3] else "".join(parts[:3])
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(CONDITIONS)
def test_layout_is_stable_and_keeps_meaning(condition: str) -> None:
    broken = lines(condition)
    assert broken is not None
    assert lines("\n".join(broken)) == broken
    assert one_line("\n".join(broken)) == one_line(condition)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_fmt_is_stable_and_never_changes_what_is_there(text: str) -> None:
    try:
        formatted = format_rules(text.encode())
    except (YamlError, FormatError):  # left alone
        return
    assert format_rules(formatted) == formatted
    before, after = (load([RulesFile("a.yaml", one)]) for one in (text.encode(), formatted))
    assert [item.code for item in before.diagnostics] == [item.code for item in after.diagnostics]


def test_no_line_of_a_short_check_is_longer_than_the_width() -> None:
    broken = lines(" and ".join(["proc.name = x"] * 40)) or []
    assert broken
    assert all(len(line) <= WIDTH for line in broken)
