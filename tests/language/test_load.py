"""Loading rules files: what a rule becomes, and what is refused."""

from __future__ import annotations

import pytest

from agent.language import AppendOutput, Loaded, LoadSettings, Rule, RulesFile, Selection, load
from agent.language.settings import ExtraField

RULE = """
- rule: a
  desc: d
  condition: {condition}
  output: "x %proc.name"
  priority: WARNING
"""


def loaded(*texts: str, settings: LoadSettings | None = None) -> Loaded:
    return load([RulesFile(f"{n}.yaml", text.encode()) for n, text in enumerate(texts)], settings)


def rules(*texts: str, settings: LoadSettings | None = None) -> dict[str, Rule]:
    result = loaded(*texts, settings=settings)
    assert result.ruleset is not None, result.errors
    return {rule.name: rule for rule in result.ruleset.rules}


def rule(condition: str, before: str = "", after: str = "") -> Rule:
    return rules(before + RULE.format(condition=condition) + after)["a"]


def codes(*texts: str) -> list[str]:
    return [item.code for item in loaded(*texts).diagnostics]


def errors(*texts: str) -> list[str]:
    return [item.message for item in loaded(*texts).errors]


def test_a_rule_has_everything_resolved_and_typed() -> None:
    found = rule(
        "spawned and proc.name in (shells)",
        "- list: shells\n  items: [bash, sh]\n"
        "- macro: spawned\n  condition: evt.type in (execve, execveat)\n",
        "  tags: [b, a]\n  exceptions:\n  - name: e\n    fields: proc.pname\n    values: [sshd]\n",
    )
    assert found.canonical == (
        b"((evt.type in (execve, execveat) and proc.name in (bash, sh)) and not proc.pname in (sshd))"
    )
    assert found.event_types == {"execve", "execveat"}
    assert found.tags == ("a", "b")
    assert found.macros == {"spawned"}
    assert found.lists == {"shells"}
    assert found.condition_text == "spawned and proc.name in (shells)"
    assert found.priority == "Warning"
    assert found.exceptions[0].values == ("sshd",)


def test_a_macro_keeps_its_grouping() -> None:
    macro = "- macro: m\n  condition: evt.type=open or evt.type=close\n"
    assert rule("m and proc.name=x", macro).canonical == (
        b"((evt.type = open or evt.type = close) and proc.name = x)"
    )


def test_a_list_name_inside_quotes_is_text_and_a_warning_says_where_falco_differs() -> None:
    text = "- list: cat\n  items: [x]\n" + RULE.format(
        condition='evt.type=open and proc.name in (cat) and proc.cmdline contains "run cat now"'
    )
    assert rules(text)["a"].canonical == (
        b'(evt.type = open and proc.name in (x) and proc.cmdline contains "run cat now")'
    )
    assert codes(text) == ["LOAD_COMPILE_CONDITION"]


@pytest.mark.parametrize(
    ("items", "condition", "canonical"),
    [
        ("[]", "proc.name in (l)", b"proc.name in ()"),
        ("[]", "proc.name in (l, x)", b"proc.name in (x)"),
        ("[]", "proc.name in (l, l, x)", b"proc.name in (x)"),
        ("[]", "proc.name in (x, l)", b"proc.name in (x)"),
        ("[]", "proc.name in (x , l , y)", b"proc.name in (x, y)"),
        ("[a b, c]", "proc.name in (l)", b'proc.name in ("a b", c)'),
        ("['\"a b\"']", "proc.name in (l)", b'proc.name in ("a b")'),
        ("[a]", "proc.name = l", b"proc.name = a"),
        ("[a]", "proc.name=l", b"proc.name = a"),
        ("[a]", "proc.name in (l,l)", b"proc.name in (a, a)"),
        ("[a]", "proc.name in (/l, l/, l.l)", b"proc.name in (/l, l/, l.l)"),
    ],
)
def test_lists_are_put_in_for_their_names(items: str, condition: str, canonical: bytes) -> None:
    assert rule(condition, f"- list: l\n  items: {items}\n").canonical == canonical


def test_lists_inside_lists_are_expanded_where_they_are_visible() -> None:
    before = "- list: one\n  items: [a]\n- list: two\n  items: [one, b, three]\n- list: three\n  items: [c]\n"
    assert rule("proc.name in (two)", before).canonical == b"proc.name in (a, b, c)"


def test_a_list_that_only_an_unused_list_names_is_unused() -> None:
    text = "- list: one\n  items: [a]\n- list: two\n  items: [one]\n"
    assert codes(text) == ["LOAD_UNUSED_LIST", "LOAD_UNUSED_LIST"]
    assert codes(text + RULE.format(condition="evt.type=open and proc.name in (two)")) == []


def test_a_redefinition_keeps_its_place() -> None:
    first, second = RULE.format(condition="evt.type=open"), RULE.format(condition="evt.type=close")
    found = rules(first + second.replace("rule: a", "rule: b") + second)
    assert list(found) == ["a", "b"]
    assert found["a"].canonical == b"evt.type = close"


def test_a_later_file_changes_what_an_earlier_one_uses() -> None:
    first = "- list: l\n  items: [a]\n" + RULE.format(condition="evt.type=open and proc.name in (l)")
    second = "- list: l\n  items: [b]\n  override:\n    items: append\n"
    assert rules(first, second)["a"].canonical == b"(evt.type = open and proc.name in (a, b))"


def test_a_file_may_not_use_what_only_a_later_one_defines() -> None:
    result = loaded(RULE.format(condition="later"), "- macro: later\n  condition: evt.type=open\n")
    assert [item.file for item in result.errors] == ["0.yaml"]


def test_loading_goes_on_after_errors_and_reports_each_once() -> None:
    broken = RULE.format(condition="proc.nme = x") + RULE.format(condition="nomacro").replace(": a", ": b")
    result = loaded(broken, RULE.format(condition="proc.pnme = y").replace("rule: a", "rule: c"))
    assert [item.file for item in result.errors] == ["0.yaml", "0.yaml", "1.yaml"]


def test_only_the_first_error_is_reported_where_that_is_asked_for() -> None:
    settings = LoadSettings(first_error_only=True)
    result = loaded(RULE.format(condition="nomacro"), RULE.format(condition="proc.x = y"), settings=settings)
    assert [file.name for file in result.files] == ["0.yaml"]
    assert len(result.errors) == 1


def test_what_refers_to_a_broken_definition_is_not_refused_for_it() -> None:
    text = "- macro: m\n  condition: evt.type = (\n" + RULE.format(condition="m")
    assert len(errors(text)) == 1
    appended = "- rule: a\n  desc: d\n- rule: a\n  condition: and x\n  override: {condition: append}\n"
    assert errors(appended) == ["Item has no mapping for key 'condition'"]


def test_an_error_in_a_macro_is_located_in_the_macro() -> None:
    text = "- macro: m\n  condition: proc.nme = x\n" + RULE.format(condition="evt.type=open and m")
    (item,) = loaded(text).errors
    assert (item.place.line, item.place.column) == (1, 13)


@pytest.mark.parametrize(
    ("condition", "line", "column"),
    [
        ("evt.type=open and proc.nme = x", 3, 31),
        (">\n    evt.type=open\n    and proc.nme = x", 5, 8),
        ("|\n    evt.type=open\n    and   proc.nme = x", 5, 10),
        ("'evt.type=open and proc.name in ('''', a) and proc.nme = x'", 3, 59),
        ('"evt.type=open and proc.name = \\"a\\" and\\x20proc.nme = x"', 3, 57),
        ("evt.type=open\n    and proc.nme = x", 4, 8),
        ('evt.type=open and proc.name = "é€𝄞" and proc.nme = x', 3, 53),
    ],
)
def test_an_error_is_located_in_every_style_of_scalar(condition: str, line: int, column: int) -> None:
    text = RULE.replace("{condition}", condition)
    (item,) = loaded(text).errors
    assert (item.place.line, item.place.column) == (line, column)


def test_an_error_behind_an_expanded_list_is_located_in_what_was_written() -> None:
    text = "- list: l\n  items: [aaaaaaaa, bbbbbbbb]\n" + RULE.format(
        condition="proc.name in (l) and proc.nme in (l)"
    )
    (item,) = loaded(text).errors
    assert (item.place.line, item.place.column) == (5, 34)


def test_an_error_in_an_appended_condition_is_located_in_the_appending_file() -> None:
    second = "- rule: a\n  condition: and proc.nme = x\n  override: {condition: append}\n"
    (item,) = loaded(RULE.format(condition="evt.type=open"), second).errors
    assert (item.file, item.place.line, item.place.column) == ("1.yaml", 1, 17)


def test_an_error_in_an_exceptions_value_is_located_at_the_value() -> None:
    text = RULE.format(condition="evt.type=open") + (
        "  exceptions:\n  - name: e\n    fields: [fd.num]\n    values:\n    - [1]\n    - [abc]\n"
    )
    (item,) = loaded(text).errors
    assert (item.place.line, item.place.column) == (11, 7)


def test_exceptions_become_conditions() -> None:
    after = (
        "  exceptions:\n  - name: one\n    fields: [proc.name, fd.name]\n    comps: [in, startswith]\n"
        "    values:\n    - [[a, b], /x]\n    - [c, '/y z']\n"
        "  - name: two\n    fields: proc.pname\n    values: [d, e f]\n"
        "  - name: inert\n    fields: [user.name]\n"
    )
    assert rule("evt.type=open or evt.type=close", after=after).canonical == (
        b"((evt.type = open or evt.type = close) and not "
        b"((proc.name in (a, b) and fd.name startswith /x) or "
        b'(proc.name in (c) and fd.name startswith "/y z")) and not proc.pname in (d, "e f"))'
    )


def test_a_replaced_exception_in_short_form_means_in() -> None:
    exceptions = "[{name: e, fields: proc.name, values: [x]}]"
    second = f"- rule: a\n  exceptions: {exceptions}\n  override: {{exceptions: replace}}\n"
    found = rules(RULE.format(condition="evt.type=open"), second)["a"]
    assert found.canonical == b"(evt.type = open and not proc.name in (x))"


def test_output_texts_are_appended_where_they_match() -> None:
    entries = (
        AppendOutput(tags=frozenset({"t"}), extra_output="tagged %fd.name"),
        AppendOutput(rule="other", extra_output="never"),
        AppendOutput(extra_fields=(ExtraField("proc.pid", "proc.pid", raw=True),)),
    )
    settings = LoadSettings(append_output=entries)
    found = rules(RULE.format(condition="evt.type=open") + "  tags: [t]\n", settings=settings)["a"]
    assert found.output_text == "x %proc.name tagged %fd.name"
    assert found.appended == (entries[0], entries[2])


@pytest.mark.parametrize(
    ("selections", "active"),
    [
        ((), {"on"}),
        ((Selection(enable=False, rule="*"),), set()),
        ((Selection(enable=False, rule="*"), Selection(enable=True, tag="t")), {"off"}),
        ((Selection(enable=True, rule="o*f"),), {"on", "off"}),
        ((Selection(enable=False, rule="O*"),), {"on"}),
        ((Selection(enable=False, rule=""),), {"on"}),
    ],
)
def test_selections_apply_in_order(selections: tuple[Selection, ...], active: set[str]) -> None:
    text = RULE.format(condition="evt.type=open").replace("rule: a", "rule: on") + RULE.format(
        condition="evt.type=open"
    ).replace("rule: a", "rule: off")
    result = loaded(text + "  enabled: false\n  tags: [t]\n", settings=LoadSettings(rules=selections))
    assert result.ruleset is not None
    assert {rule.name for rule in result.ruleset.active_rules} == active


def test_a_less_urgent_rule_is_checked_but_not_active() -> None:
    settings = LoadSettings(priority="Error", rules=(Selection(enable=True, rule="*"),))
    found = rules(RULE.format(condition="evt.type=open"), settings=settings)["a"]
    assert found.enabled
    assert not found.active


@pytest.mark.parametrize(
    ("required", "message"),
    [
        ("0.63.0", None),
        ("63", None),
        ("0x3F", None),
        ("64", "Rules require engine version 0.64.0, but engine version is 0.63.0"),
        ("1.0.0", "Rules require engine version 1.0.0, but engine version is 0.63.0"),
    ],
)
def test_a_newer_engine_may_be_required(required: str, message: str | None) -> None:
    found = errors(f"- required_engine_version: {required}\n")
    assert found == ([] if message is None else [message])


@pytest.mark.parametrize(("word", "value"), [("yes", True), ("Off", False), ("TRUE", True), ("'n'", False)])
def test_booleans_are_those_of_yaml_1_1(word: str, value: bool) -> None:  # noqa: FBT001
    assert rule("evt.type=open", after=f"  enabled: {word}\n").enabled is value


@pytest.mark.parametrize("word", ["1", "yEs", "truE", "maybe", "[true]", "''"])
def test_nothing_else_is_a_boolean(word: str) -> None:
    assert errors(RULE.format(condition="evt.type=open") + f"  enabled: {word}\n")


def test_a_rule_about_an_unknown_field_is_skipped_where_it_says_so() -> None:
    text = RULE.format(condition="no.field = 1") + "  skip-if-unknown-filter: true\n"
    assert rules(text) == {}
    assert codes(text) == ["LOAD_UNKNOWN_FILTER"]


def test_text_in_a_rule_may_be_anything() -> None:
    text = RULE.format(condition="evt.type=open").replace("rule: a", 'rule: "\\e[31m\\u202e"')
    assert list(rules(text)) == ["\x1b[31m\u202e"]
