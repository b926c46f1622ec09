"""Reading what a host pushed. Pure; the host may be in an attacker's hands.

Nothing is thrown away: a record that cannot be read becomes an alert that says so and holds its text.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from agent.wire import Message
from controller.store.alerts import SpoolRecord

UNREADABLE = "Tercel internal: unreadable record"
"""Rule of the alert that stands for a record that cannot be read."""

_EPOCH = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RELEASE = re.compile(r"[0-9]{1,12}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{1,128}")
_MAX_TIME = 2**63 - 1
_MOST_TEXT = 64 * 1024


class PushError(ValueError):
    """The push is not what the protocol says: the connection is of no use."""


def read(host: str, message: Message, blob: bytes, received_ns: int) -> list[SpoolRecord]:
    """Return the records of a push, in order. Raises PushError."""
    epoch, first, last = message.get("epoch"), message.get("first"), message.get("last")
    if not isinstance(epoch, str) or not _EPOCH.fullmatch(epoch):
        raise PushError(f"it names the epoch {epoch!r}")
    if not (_is_seq(first) and _is_seq(last)):
        raise PushError(f"it names the records {first!r} to {last!r}")
    lines = blob.splitlines()
    if message.get("count") != len(lines):
        raise PushError(f"it says {message.get('count')!r} records and holds {len(lines)}")
    records: list[SpoolRecord] = []
    next_seq = first
    for line in lines:
        record = _record(host, epoch, line, received_ns, next_seq)
        if record.seq > last:
            raise PushError(f"it holds record {record.seq}, beyond its last, {last}")
        records.append(record)
        next_seq = record.seq + 1
    return records


def _is_seq(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TIME


def _record(host: str, epoch: str, line: bytes, received_ns: int, next_seq: int) -> SpoolRecord:
    try:
        value = json.loads(line)
        seq, alert, subject = value["seq"], value["alert"], value.get("subject") or {}
        times = value.get("t") or {}
        readable = isinstance(alert, dict) and isinstance(subject, dict) and isinstance(times, dict)
        if not readable or not _is_seq(seq) or seq < next_seq or value.get("epoch") != epoch:
            return _unreadable(host, epoch, line, received_ns, next_seq)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _unreadable(host, epoch, line, received_ns, next_seq)
    return SpoolRecord(
        host=host,
        epoch=epoch,
        seq=seq,
        release=_text(value.get("release"), _RELEASE),
        digest=_text(value.get("digest"), _DIGEST),
        line=alert,
        subject=subject,
        event_ns=_time(times.get("event_ns")) or received_ns,
        matched_ns=_time(times.get("matched_ns")),
        spooled_ns=_time(times.get("spooled_ns")),
        received_ns=received_ns,
    )


def _unreadable(host: str, epoch: str, line: bytes, received_ns: int, seq: int) -> SpoolRecord:
    alert = {
        "rule": UNREADABLE,
        "priority": "Critical",
        "source": "internal",
        "tags": [],
        "hostname": host,
        "output": f"{host} streamed a record that cannot be read: its agent is damaged or was tampered with",
        "output_fields": {"record": line[:_MOST_TEXT].decode(errors="backslashreplace")},
    }
    return SpoolRecord(host, epoch, seq, None, None, alert, {}, received_ns, None, None, received_ns)


def _text(value: Any, form: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _time(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < _MAX_TIME else None
