"""The engine: a loaded ruleset and events in, alerts out."""

from __future__ import annotations

import pytest

from agent.alert import Alert
from agent.compiler.engine import Engine, EngineSettings
from agent.event import Event, Subject
from agent.language import AppendOutput, ExtraField, LoadSettings, RulesFile, load

RULES = b"""
- rule: never
  desc: d
  condition: evt.type = openat and evt.num = 0
  output: never
  priority: DEBUG
- rule: any open
  desc: d
  condition: evt.type in (open, openat)
  output: "%proc.name opened %fd.name (%proc.aname[2] %proc.aname %proc.apid %fd.types)"
  priority: WARNING
  tags: [b, a]
- rule: starts like one
  desc: d
  condition: evt.type startswith open and fd.name contains shadow
  output: "shadow %10fd.name|%3fd.name|%len(fd.name)"
  priority: CRITICAL
- rule: disabled
  desc: d
  condition: evt.type = close
  output: x
  priority: DEBUG
  enabled: false
"""


def build(rules: bytes = RULES, load_settings: LoadSettings | None = None, **settings: object) -> Engine:
    loaded = load([RulesFile("rules.yaml", rules)], load_settings or LoadSettings())
    assert loaded.ruleset is not None, loaded.errors
    return Engine.build(loaded.ruleset, EngineSettings(**settings))  # type: ignore[arg-type]


def opened(name: bytes = b"/etc/shadow", type_: str = "openat") -> Event:
    fields = {
        "evt.type": type_.encode(),
        "proc.name": b"cat",
        "proc.pid": 42,
        "proc.aname": (b"sh", b"sshd"),
        "proc.aname[2]": b"sshd",
        "proc.apid": (41, 1),
        "fd.name": name,
        "fd.types": (b"file", b"ipv4"),
    }
    return Event(type_, fields, time_ns=1_000, number=7, subject=Subject(pid=42))


def messages(alerts: list[Alert]) -> list[str]:
    return [f"{alert.rule}: {alert.output}" for alert in alerts]


def test_the_first_rule_in_definition_order_wins() -> None:
    assert [alert.rule for alert in build().match(opened())] == ["any open"]


def test_every_rule_that_matches_alerts_if_asked() -> None:
    assert messages(build(rule_matching="all").match(opened())) == [
        "any open: cat opened /etc/shadow (sshd sh sshd 42 (file,ipv4))",
        "starts like one: shadow /etc/shado|/et|11",
    ]


def test_a_condition_on_the_type_narrows_whatever_its_operator() -> None:
    engine = build()
    assert {"open", "openat", "openat2", "open_by_handle_at"} <= engine.event_types
    assert all(name.startswith("open") for name in engine.event_types)
    assert [alert.rule for alert in engine.match(opened(type_="openat2"))] == ["starts like one"]


def test_other_events_match_nothing() -> None:
    assert build().match(opened(type_="close")) == []


def test_an_alert_carries_who_did_it_and_when() -> None:
    (alert,) = build(hostname="web-1", clock=lambda: 2_000, static_fields={"site": "a"}).match(opened())
    assert (alert.hostname, alert.time_ns, alert.matched_ns) == ("web-1", 1_000, 2_000)
    assert alert.subject == {"pid": 42}
    assert alert.tags == ("a", "b")
    assert alert.output_fields == {
        "proc.name": "cat",
        "fd.name": "/etc/shadow",
        "proc.aname[2]": "sshd",
        "proc.aname": "sh sshd",
        "proc.apid": 42,
        "fd.types": ["file", "ipv4"],
        "site": "a",
    }


def test_bytes_that_are_no_text_are_replaced() -> None:
    (alert,) = build().match(opened(b"/tmp/\xff\xc3"))
    assert "/tmp/\ufffd\ufffd" in alert.output
    assert alert.output_fields["fd.name"] == "/tmp/\ufffd\ufffd"


def test_a_missing_value_prints_as_such() -> None:
    event = Event("open", {"evt.type": b"open"})
    (alert,) = build().match(event)
    assert alert.output == "<NA> opened <NA> (<NA> <NA> <NA> <NA>)"
    assert alert.output_fields["proc.name"] is None


def test_matches_are_counted_per_rule() -> None:
    engine = build()
    engine.match(opened())
    engine.match(opened())
    assert {stats.rule.name: stats.matches for stats in engine.rules} == {
        "never": 0,
        "any open": 2,
        "starts like one": 0,
    }


def test_extra_fields_of_append_output_keep_their_type() -> None:
    extra = (ExtraField("proc.pid", "proc.pid", raw=True), ExtraField("who", "pid %proc.pid", raw=False))
    settings = LoadSettings(append_output=(AppendOutput(extra_fields=extra, suggested_output=True),))
    (alert,) = build(load_settings=settings).match(opened())
    assert alert.output_fields["proc.pid"] == 42
    assert alert.output_fields["who"] == "pid 42"
    assert alert.output_fields["container.id"] is None


def test_the_engine_says_which_fields_it_asks_for() -> None:
    assert build().fields >= {"evt.type", "fd.name", "proc.name", "proc.aname[2]"}


@pytest.mark.parametrize("ends", [{}, {"fd.cip": b"\x0a\x00\x00\x01"}, {"fd.sip": b"\x0a\x00\x00\x01"}])
def test_either_end_of_a_connection_counts(ends: dict[str, bytes]) -> None:
    rule = b"""
- rule: r
  desc: d
  condition: evt.type = connect and fd.net in (192.168.0.0/16, 10.0.0.0/8)
  output: x
  priority: DEBUG
"""
    event = Event("connect", {"evt.type": b"connect", **ends})
    assert len(build(rule).match(event)) == bool(ends)
