from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.collect.records import UNREADABLE, PushError, read
from controller.store import Store, alerts


def line(seq: int, **changes: Any) -> bytes:
    record = {
        "seq": seq,
        "epoch": "e1",
        "release": "2-0123456789ab",
        "digest": "ab12",
        "alert": {"rule": "R", "priority": "Warning", "output": "o"},
        "subject": {"pid": 7},
        "t": {"event_ns": 10, "matched_ns": 11, "spooled_ns": 12},
        **changes,
    }
    return json.dumps(record).encode() + b"\n"


def push(
    *lines: bytes, first: int = 1, last: int = 10, epoch: Any = "e1", count: Any = None
) -> list[alerts.SpoolRecord]:
    message = {"push": "alerts", "epoch": epoch, "first": first, "last": last, "count": count or len(lines)}
    return read("web1", message, b"".join(lines), 99)


def test_a_record_is_read_with_its_times() -> None:
    (record,) = push(line(1))
    assert (record.seq, record.release, record.digest) == (1, "2-0123456789ab", "ab12")
    assert (record.event_ns, record.matched_ns, record.spooled_ns, record.received_ns) == (10, 11, 12, 99)
    assert record.subject == {"pid": 7}


def test_gaps_in_the_numbers_are_as_the_spool_left_them() -> None:
    assert [record.seq for record in push(line(1), line(4), line(9))] == [1, 4, 9]


@pytest.mark.parametrize(
    "bad",
    [
        b"not json\n",
        b"[1]\n",
        b'{"seq": 2}\n',
        line(2, alert="text"),
        line(2, subject=[1]),
        line(2, epoch="other"),
        line(1),
        line(-1),
        b"[" * 5000 + b"\n",
    ],
)
def test_a_record_that_cannot_be_read_becomes_an_alert_that_holds_it(bad: bytes) -> None:
    records = push(line(1), bad, line(3))
    assert [record.seq for record in records] == [1, 2, 3]
    assert records[1].line["rule"] == UNREADABLE
    assert records[1].line["output_fields"]["record"] == bad.decode().rstrip("\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": "../../etc"}, "epoch"),
        ({"epoch": None}, "epoch"),
        ({"first": -1}, "records -1"),
        ({"last": True}, "to True"),
        ({"count": 5}, "says 5 records and holds 1"),
        ({"last": 0}, "beyond its last"),
    ],
)
def test_a_push_against_the_protocol_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PushError, match=message):
        push(line(1), **changes)


def test_what_is_no_release_and_no_time_is_left_out() -> None:
    (record,) = push(line(1, release="../x", digest=5, t={"event_ns": 2**70, "matched_ns": "now"}))
    assert (record.release, record.digest, record.event_ns, record.matched_ns) == (None, None, 99, None)


@settings(max_examples=40, deadline=None)  # each example makes a store
@given(
    lines=st.lists(
        st.binary(max_size=60).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"") + b"\n"),
        max_size=5,
    )
)
def test_whatever_a_host_writes_is_stored_and_nothing_breaks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    from controller.home import Home

    records = push(*lines, count=len(lines)) if lines else []
    with Store.open(Home.open_at(tmp_path_factory.mktemp("home"))) as store, store.write() as tx:
        assert len(alerts.add(tx, records, stored_ns=1)) == len(lines)
