"""The tables of the store. Only this package writes SQL; others use its functions and records.

Times are nanoseconds since 1970.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

HEAD = "0001"
"""Newest migration; a test holds it equal to alembic's."""


ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself for INTEGER only


class Base(DeclarativeBase):
    """Base of every table."""

    type_annotation_map = {int: BigInteger(), dict[str, Any]: JSON(), list[str]: JSON()}  # noqa: RUF012 - SQLAlchemy's form


class HostRow(Base):
    """A host as it was last heard of."""

    __tablename__ = "hosts"

    name: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    agent_version: Mapped[str | None]
    boot_id: Mapped[str | None]
    release_wanted: Mapped[str | None] = mapped_column(ForeignKey("releases.id"))
    digest_wanted: Mapped[str | None]
    seen_ns: Mapped[int | None]
    reason: Mapped[str | None]
    """Why it was not reached the last time; None if it was."""
    status: Mapped[dict[str, Any] | None]
    """Answer to the last ``status`` request."""


class ReleaseRow(Base):
    """A release that was built here."""

    __tablename__ = "releases"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    created_ns: Mapped[int]
    description: Mapped[str]
    configs: Mapped[dict[str, Any]]
    """Host name to sha256 of the configuration rendered for it."""


class DeploymentRow(Base):
    """One attempt to bring a release to a host."""

    __tablename__ = "deployments"

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    release: Mapped[str] = mapped_column(ForeignKey("releases.id"), index=True)
    host: Mapped[str] = mapped_column(index=True)
    started_ns: Mapped[int]
    ended_ns: Mapped[int | None]
    outcome: Mapped[str | None]
    """``changed``, ``unchanged`` or ``failed``; None while it runs."""
    digest: Mapped[str | None]
    reason: Mapped[str | None]


class StreamRow(Base):
    """How far a host's spool was stored: everything up to ``last_seq`` of ``epoch``."""

    __tablename__ = "streams"

    host: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[str] = mapped_column(primary_key=True)
    last_seq: Mapped[int]
    updated_ns: Mapped[int]


class AlertRow(Base):
    """An alert, stored once."""

    __tablename__ = "alerts"
    __table_args__ = (UniqueConstraint("host", "epoch", "seq"), Index("alerts_by_rule", "rule", "id"))

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    host: Mapped[str]
    epoch: Mapped[str]
    seq: Mapped[int]
    release: Mapped[str | None]
    digest: Mapped[str | None]
    rule: Mapped[str]
    priority: Mapped[int]
    """Index in ``agent.alert.PRIORITIES``: 0 is the most urgent."""
    line: Mapped[dict[str, Any]]
    """Falco's JSON line."""
    subject: Mapped[dict[str, Any]]
    event_ns: Mapped[int] = mapped_column(index=True)
    matched_ns: Mapped[int | None]
    spooled_ns: Mapped[int | None]
    received_ns: Mapped[int]
    stored_ns: Mapped[int]


class ActionRow(Base):
    """One run of a responder on one target, wanted because of an alert."""

    __tablename__ = "actions"
    __table_args__ = (
        Index("actions_by_state", "host", "state"),
        Index("actions_by_alert", "host", "epoch", "seq"),
    )

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    host: Mapped[str]
    epoch: Mapped[str]
    seq: Mapped[int]
    alert_rule: Mapped[str]
    playbook: Mapped[str]
    rule: Mapped[str]
    """Rule of the playbook that wanted it."""
    mode: Mapped[str]
    """``enforce``, or ``shadow``: decided and written down, never sent."""
    responder: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    target: Mapped[dict[str, Any]]
    state: Mapped[str]
    result: Mapped[dict[str, Any] | None]
    transitions: Mapped[list[TransitionRow]] = relationship(order_by="TransitionRow.id", lazy="selectin")


class TransitionRow(Base):
    """A change of an action's state: when, by whom, why."""

    __tablename__ = "action_transitions"

    id: Mapped[int] = mapped_column(ROW_ID, primary_key=True)
    action_id: Mapped[int] = mapped_column(ForeignKey("actions.id"), index=True)
    state: Mapped[str]
    at_ns: Mapped[int]
    who: Mapped[str]
    why: Mapped[str]
