"""An alert as one line of text or of JSON, exactly as Falco's outputs print it.

The text line is escaped as a JSON string is (as Falco's development head does; release 0.44.1 prints it raw):
whatever an attacker wrote into a file name, one alert stays one line, and no control character reaches a
terminal. For the same reason control characters that JSON lets through are escaped in both.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agent.alert import Alert

_CONTROL = re.compile("[\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class LineFormat:
    """The keys of ``falco.yaml`` that shape a line, with Falco's defaults."""

    json_include_output: bool = True
    json_include_message: bool = False
    json_include_tags: bool = True
    json_include_output_fields: bool = True
    time_format_iso_8601: bool = False
    """``2026-11-22T15:49:51.000000000+0000`` in UTC instead of the local time of day."""


def text_line(alert: Alert, line: LineFormat) -> str:
    """Return the text line, without newline: ``time: Priority message``."""
    text = _prefixed(alert, line)
    if alert.source == "internal":
        fields = " ".join(f"{key}={_dump(value)}" for key, value in sorted(alert.output_fields.items()))
        text += f" ({fields})"
    return _dump(text)[1:-1]


def json_object(alert: Alert, line: LineFormat) -> dict[str, Any]:
    """Return the object of the JSON line."""
    found: dict[str, Any] = {
        "hostname": alert.hostname,
        "priority": alert.priority,
        "rule": alert.rule,
        "source": alert.source,
        "time": _utc(alert.time_ns) + "Z",
    }
    if line.json_include_output:
        found["output"] = alert.output if alert.source == "internal" else _prefixed(alert, line)
    if line.json_include_message:
        found["message"] = alert.output
    if line.json_include_tags:
        found["tags"] = sorted(alert.tags)
    if line.json_include_output_fields:
        found["output_fields"] = _output_fields(alert, line)
    return found


def json_line(alert: Alert, line: LineFormat) -> str:
    """Return the JSON line, without newline; keys are sorted."""
    return _dump(json_object(alert, line))


def _output_fields(alert: Alert, line: LineFormat) -> dict[str, Any]:
    """Add the time that the prefix shows: Falco counts it among the fields of the output."""
    if alert.source == "internal":
        return alert.output_fields
    key = "evt.time.iso8601" if line.time_format_iso_8601 else "evt.time"
    return {key: alert.time_ns, **alert.output_fields}


def _prefixed(alert: Alert, line: LineFormat) -> str:
    if line.time_format_iso_8601:
        shown = _utc(alert.time_ns) + "+0000"
    else:
        seconds, rest = divmod(alert.time_ns, 1_000_000_000)
        shown = f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest:09d}"
    return f"{shown}: {alert.priority} {alert.output}"


def _utc(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_utc_second(seconds)}.{rest:09d}"


@lru_cache(maxsize=16)
def _utc_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _dump(value: Any) -> str:
    text = _encode(value)
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
