"""Alerts, each stored exactly once by (host, epoch, seq)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, select

from agent.alert import PRIORITIES
from controller.clock import iso
from controller.store.models import AlertRow, StreamRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class SpoolRecord:
    """An alert as a host's spool streamed it. Times: nanoseconds since 1970, by the host's clock."""

    host: str
    epoch: str
    seq: int
    release: str | None
    digest: str | None
    line: dict[str, Any]
    """Falco's JSON line."""
    subject: dict[str, Any]
    event_ns: int
    matched_ns: int | None
    spooled_ns: int | None
    received_ns: int
    """When it reached the controller, by the controller's clock."""


@dataclass(frozen=True)
class StoredAlert:
    """An alert in the store. ``id`` grows in the order of storing."""

    id: int
    record: SpoolRecord
    stored_ns: int

    @property
    def rule(self) -> str:
        """Name of the rule that matched."""
        return str(self.record.line.get("rule", ""))

    @property
    def priority(self) -> str:
        """One of Falco's priorities."""
        return PRIORITIES[priority_number(self.record.line)]

    def to_line(self) -> str:
        """Return one line for people. It holds what attackers wrote: escape it before it is shown."""
        line = self.record.line
        return f"{self.record.host}: {line.get('output') or f'{iso(self.record.event_ns)} {self.rule}'}"

    def to_json(self) -> dict[str, Any]:
        """Falco's JSON line, and beside its keys a ``tercel`` object."""
        record = self.record
        extra = {
            "host": record.host,
            "epoch": record.epoch,
            "seq": record.seq,
            "release": record.release,
            "digest": record.digest,
            "subject": record.subject,
            "event_ns": record.event_ns,
            "matched_ns": record.matched_ns,
            "spooled_ns": record.spooled_ns,
            "received_ns": record.received_ns,
            "stored_ns": self.stored_ns,
        }
        return {**record.line, "tercel": extra}


@dataclass(frozen=True)
class Filter:
    """Which alerts are asked for; None means any."""

    host: str | None = None
    rule: str | None = None
    priority: str | None = None
    """This priority or more urgent."""
    since_ns: int | None = None
    after_id: int = 0
    """Only alerts stored after this one."""


def priority_number(line: dict[str, Any]) -> int:
    """Return the index in PRIORITIES; a priority that is none of Falco's counts as the most urgent."""
    name = str(line.get("priority", "")).lower()
    return next((index for index, known in enumerate(PRIORITIES) if known.lower() == name), 0)


def newest_epoch(tx: Session, host: str) -> tuple[str, int] | None:
    """Return the epoch that the host streamed last, and its last stored record; None if it never did."""
    query = select(StreamRow).where(StreamRow.host == host).order_by(StreamRow.updated_ns.desc()).limit(1)
    row = tx.scalar(query)
    return (row.epoch, row.last_seq) if row is not None else None


def add(tx: Session, records: Sequence[SpoolRecord], *, stored_ns: int) -> list[StoredAlert]:
    """Store the records that are not stored yet and return them, in order.

    A host's records come in the order of its spool: within an epoch one that does not go
    beyond the last stored was stored before, and is left out.
    """
    streams: dict[tuple[str, str], StreamRow] = {}
    rows: list[tuple[AlertRow, SpoolRecord]] = []
    for number, record in enumerate(records):
        stream = streams.get((record.host, record.epoch)) or _stream(tx, record)
        streams[record.host, record.epoch] = stream
        stream.updated_ns = stored_ns + number  # of two epochs in one call the later one is the newest
        if record.seq > stream.last_seq:
            stream.last_seq = record.seq
            rows.append((_row(record, stored_ns), record))
    tx.add_all(row for row, _ in rows)
    tx.flush()
    return [StoredAlert(row.id, record, stored_ns) for row, record in rows]


def find(tx: Session, wanted: Filter, limit: int | None = None) -> list[StoredAlert]:
    """Return the newest alerts that pass the filter, oldest of them first."""
    query = select(AlertRow).where(*_conditions(wanted)).order_by(AlertRow.id.desc()).limit(limit)
    return [_record(row) for row in reversed(tx.scalars(query).all())]


def get(tx: Session, host: str, epoch: str, seq: int) -> StoredAlert | None:
    """Return one alert."""
    query = select(AlertRow).where(AlertRow.host == host, AlertRow.epoch == epoch, AlertRow.seq == seq)
    row = tx.scalar(query)
    return _record(row) if row is not None else None


def count_by_host(tx: Session) -> dict[str, int]:
    """Return the number of stored alerts of each host that has any."""
    rows = tx.execute(select(AlertRow.host, func.count().label("number")).group_by(AlertRow.host))
    return {row.host: row.number for row in rows}


def newest_id(tx: Session) -> int:
    """Return the id of the alert stored last, 0 if there is none."""
    return tx.scalar(select(func.max(AlertRow.id))) or 0


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions = [AlertRow.id > wanted.after_id]
    if wanted.host is not None:
        conditions.append(AlertRow.host == wanted.host)
    if wanted.rule is not None:
        conditions.append(AlertRow.rule == wanted.rule)
    if wanted.priority is not None:
        conditions.append(AlertRow.priority <= priority_number({"priority": wanted.priority}))
    if wanted.since_ns is not None:
        conditions.append(AlertRow.event_ns >= wanted.since_ns)
    return conditions


def _stream(tx: Session, record: SpoolRecord) -> StreamRow:
    row = tx.get(StreamRow, (record.host, record.epoch))
    if row is None:
        row = StreamRow(host=record.host, epoch=record.epoch, last_seq=-1, updated_ns=0)
        tx.add(row)
    return row


def _row(record: SpoolRecord, stored_ns: int) -> AlertRow:
    return AlertRow(
        **vars(record),
        rule=str(record.line.get("rule", "")),
        priority=priority_number(record.line),
        stored_ns=stored_ns,
    )


def _record(row: AlertRow) -> StoredAlert:
    record = SpoolRecord(**{name: getattr(row, name) for name in SpoolRecord.__dataclass_fields__})
    return StoredAlert(row.id, record, row.stored_ns)
