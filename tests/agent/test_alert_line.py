"""Alert lines: Falco's shapes, and nothing that an attacker wrote breaks out of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.alert import Alert
from agent.alert_line import LineFormat, json_line, text_line

ALERT = Alert(
    rule="Read secrets",
    priority="Warning",
    source="syscall",
    tags=("b", "a"),
    hostname="web-1",
    time_ns=1_470_327_477_081_785_348,
    output="read by cat",
    output_fields={"proc.name": "cat", "fd.num": 3, "fd.cip": None},
    subject={"pid": 7},
)
ISO = LineFormat(time_format_iso_8601=True)


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def test_text_line_has_the_time_of_day() -> None:
    assert text_line(ALERT, LineFormat()) == "16:17:57.081785348: Warning read by cat"


def test_text_line_in_iso_8601() -> None:
    assert text_line(ALERT, ISO) == "2016-08-04T16:17:57.081785348+0000: Warning read by cat"


def test_json_line_has_sorted_keys_and_the_time_among_the_fields() -> None:
    assert json_line(ALERT, ISO) == (
        '{"hostname":"web-1","output":"2016-08-04T16:17:57.081785348+0000: Warning read by cat",'
        '"output_fields":{"evt.time.iso8601":1470327477081785348,"fd.cip":null,"fd.num":3,"proc.name":"cat"},'
        '"priority":"Warning","rule":"Read secrets","source":"syscall","tags":["a","b"],'
        '"time":"2016-08-04T16:17:57.081785348Z"}'
    )


def test_json_properties_can_be_left_out() -> None:
    line = LineFormat(
        json_include_output=False,
        json_include_message=True,
        json_include_tags=False,
        json_include_output_fields=False,
    )
    found = json.loads(json_line(ALERT, line))
    assert found["message"] == "read by cat"
    assert found.keys().isdisjoint({"output", "tags", "output_fields"})


def test_an_internal_alert_lists_its_fields() -> None:
    drop = replace(ALERT, source="internal", rule="Falco internal: syscall event drop", output="dropped")
    assert text_line(drop, ISO).endswith(r"Warning dropped (fd.cip=null fd.num=3 proc.name=\"cat\")")
    assert json.loads(json_line(drop, ISO))["output"] == "dropped"


@given(st.text())
def test_one_alert_is_one_printable_line(text: str) -> None:
    hostile = replace(ALERT, output=text + "\x1b[2J\r\n\x9b31m\x7f\u2028", output_fields={"fd.name": text})
    for line in (text_line(hostile, ISO), json_line(hostile, ISO)):
        assert len(line.splitlines()) == 1
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in line)
    assert json.loads(json_line(hostile, ISO))["output_fields"]["fd.name"] == text
