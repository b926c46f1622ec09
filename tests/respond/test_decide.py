"""Which actions an alert leads to."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.respond.decide import Decision, decide
from controller.respond.playbook import load
from controller.respond.source import PlaybookFile

HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "$(touch /tmp/x)",
            "`id`",
            "; rm -rf /",
            "a\nb",
            "a\0b",
            "\x1b]0;title\x07\x1b[2J",
            "{{ 7 * 7 }}",
            "%n%s",
            "x" * 65536,
            "\udcff",
        ]
    ),
)


def _line(**changes: Any) -> dict[str, Any]:
    return {
        "rule": "Read shadow",
        "priority": "Warning",
        "source": "syscall",
        "tags": ["host", "mitre_credential_access", "T1555"],
        "output_fields": {"proc.name": "evil", "user.uid": 0, "proc.tty": None, "fd.names": ["a", "b"]},
        **changes,
    }


def _decide(
    playbook: str, host: str = "web1", groups: tuple[str, ...] = ("web",), **changes: Any
) -> list[Decision]:
    loaded = load([PlaybookFile("p.yaml", dedent(playbook).encode())])
    assert loaded.rules is not None, [str(problem) for problem in loaded.problems]
    return decide(_line(**changes), host, groups, loaded.rules)


def _matches(match: str, **changes: Any) -> bool:
    text = f"""
        - rule: R
          match: {match}
          actions: [{{action: K, actionner: kill_process}}]
    """
    return bool(_decide(text, **changes))


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("{}", True),
        ("{rules: [Read shadow]}", True),
        ("{rules: [Other, Read shadow]}", True),
        ("{rules: [Other]}", False),
        ("{source: syscall}", True),
        ("{source: k8s_audit}", False),
        ("{priority: Warning}", True),
        ("{priority: warning}", True),
        ("{priority: '=Warning'}", True),
        ("{priority: Error}", False),
        ("{priority: '>=Warning'}", True),
        ("{priority: '>Warning'}", False),
        ("{priority: '>Notice'}", True),
        ("{priority: '<Warning'}", False),
        ("{priority: '<=Warning'}", True),
        ("{priority: '<Critical'}", True),
        ("{priority: '>=Info'}", True),
        ("{tags: [host]}", True),
        ("{tags: [container]}", False),
        ("{tags: ['host, T1555']}", True),
        ("{tags: ['host, container']}", False),
        ("{tags: ['host, container', T1555]}", True),
        ("{tags: [[host, T1555]]}", True),
        ("{tags: [[host, container]]}", False),
        ("{output_fields: ['proc.name=evil']}", True),
        ("{output_fields: ['proc.name!=evil']}", False),
        ("{output_fields: ['proc.name=good']}", False),
        ("{output_fields: ['proc.name=good', 'user.uid=0']}", True),
        ("{output_fields: ['proc.name=evil, user.uid=0']}", True),
        ("{output_fields: ['proc.name=evil, user.uid=1']}", False),
        ("{output_fields: ['proc.name=\"evil\", user.uid!=1']}", True),
        ("{output_fields: ['proc.pname!=sshd']}", True),
        ("{output_fields: ['proc.pname=sshd']}", False),
        ("{output_fields: ['proc.tty!=0']}", True),
        ("{output_fields: [['proc.name=evil', 'fd.names=(a,b)']]}", True),
        ("{rules: [Read shadow], priority: Critical}", False),
    ],
)
def test_match(match: str, *, expected: bool) -> None:
    assert _matches(match) is expected


def test_an_unknown_priority_of_an_alert_matches_no_priority() -> None:
    assert not _matches("{priority: '>=Debug'}", priority="Ludicrous")


TWO = """
    - action: K
      actionner: kill_process
    - rule: First
      match: {{rules: [Read shadow]}}
      mode: {first}
      continue: {go_on}
      actions: [{{action: K}}]
    - rule: Second
      match: {{tags: [host]}}
      mode: {second}
      actions: [{{action: K}}]
    - rule: Third
      match: {{tags: [host]}}
      mode: shadow
      actions: [{{action: K}}]
"""


@pytest.mark.parametrize(
    ("first", "go_on", "second", "expected"),
    [
        ("enforce", "true", "enforce", ["First", "Second", "Third"]),
        ("enforce", "false", "enforce", ["First"]),
        ("shadow", "false", "enforce", ["First", "Second"]),
        ("shadow", "false", "shadow", ["First"]),
    ],
)
def test_continue_false_ends_the_search_but_a_shadow_hides_nothing_real(
    first: str, go_on: str, second: str, expected: list[str]
) -> None:
    decisions = _decide(TWO.format(first=first, go_on=go_on, second=second))
    assert [one.rule.name for one in decisions] == expected


STEPS = """
    - rule: R
      match: {{rules: [Read shadow]}}
      actions:
        - {{action: A, actionner: kill_process, continue: {go_on}}}
        - {{action: B, actionner: kill_process}}
"""


@pytest.mark.parametrize(("go_on", "expected"), [("true", ["A", "B"]), ("false", ["A"])])
def test_a_step_that_does_not_continue_is_the_last(go_on: str, expected: list[str]) -> None:
    assert [one.step.name for one in _decide(STEPS.format(go_on=go_on))] == expected


HOSTS = """
    - rule: R
      match: {{rules: [Read shadow]}}
      hosts: {hosts}
      actions: [{{action: A, actionner: kill_process}}]
"""


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("web1", True),
        ("[web]", True),
        ("[all]", True),
        ("['web*']", True),
        ("[db, web1]", True),
        ("[db]", False),
        ("['!web1']", False),
        ("[all, '!web']", False),
        ("['!db*']", True),
        ("[]", True),
    ],
)
def test_hosts_select_by_name_group_and_pattern(hosts: str, *, expected: bool) -> None:
    assert bool(_decide(HOSTS.format(hosts=hosts))) is expected


def test_a_decision_has_one_key_per_alert_rule_and_step() -> None:
    first, second = _decide(STEPS.format(go_on="true"))
    keys = {
        first.key("web1", "e", 1),
        second.key("web1", "e", 1),
        first.key("web2", "e", 1),
        first.key("web1", "f", 1),
        first.key("web1", "e", 2),
    }
    assert len(keys) == 5
    assert first.key("web1", "e", 1) in keys


@given(rule=HOSTILE, priority=HOSTILE, tag=HOSTILE, key=HOSTILE, value=HOSTILE)
def test_what_an_attacker_writes_is_compared_and_nothing_else(
    rule: str, priority: str, tag: str, key: str, value: str
) -> None:
    line = {
        "rule": rule,
        "priority": priority,
        "tags": [tag, 7, None],
        "output_fields": {key: value, "a": [value]},
    }
    loaded = load([PlaybookFile("p", TWO.format(first="enforce", go_on="true", second="enforce").encode())])
    assert loaded.rules is not None
    wanted = {"First"} if rule == "Read shadow" else set()
    wanted |= {"Second", "Third"} if tag == "host" else set()
    assert {one.rule.name for one in decide(line, "h", (), loaded.rules)} == wanted


ANY = st.one_of(st.none(), st.integers(), st.lists(st.text(max_size=3)), st.text(max_size=5))
KEYS = ("rule", "priority", "source", "tags", "output_fields")


@given(st.dictionaries(st.sampled_from(KEYS), ANY))
def test_an_alert_of_any_shape_is_decided_on(line: dict[str, Any]) -> None:
    loaded = load([PlaybookFile("p", TWO.format(first="enforce", go_on="true", second="enforce").encode())])
    assert loaded.rules is not None
    decide(line, "h", (), loaded.rules)
