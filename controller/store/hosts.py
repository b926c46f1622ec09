"""Hosts as they were last heard of, and what they should run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from controller.store.models import DeploymentRow, HostRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class HostState:
    """A host as the store knows it. ``seen_ns``: nanoseconds since 1970."""

    name: str
    address: str
    agent_version: str | None = None
    boot_id: str | None = None
    release_wanted: str | None = None
    digest_wanted: str | None = None
    """Engine digest that the wanted release has on this host."""
    seen_ns: int | None = None
    reason: str | None = None
    """Why it was not reached the last time; None if it was."""
    status: dict[str, Any] | None = None
    """Answer to the last ``status`` request."""


@dataclass(frozen=True)
class Deployment:
    """How an attempt to bring a release to a host ended. Times: nanoseconds since 1970."""

    release: str
    host: str
    started_ns: int
    ended_ns: int | None
    outcome: str | None
    """``changed``, ``unchanged`` or ``failed``; None while it runs."""
    digest: str | None = None
    reason: str | None = None


def get(tx: Session, name: str) -> HostState | None:
    """Return one host, None if it was never spoken to."""
    row = tx.get(HostRow, name)
    return _record(row) if row is not None else None


def every(tx: Session) -> dict[str, HostState]:
    """Return every host ever spoken to, by name."""
    return {row.name: _record(row) for row in tx.scalars(select(HostRow).order_by(HostRow.name))}


def update(tx: Session, name: str, address: str, **changes: Any) -> None:
    """Set fields of HostState on a host, which is added if it is new."""
    row = tx.get(HostRow, name)
    if row is None:
        row = HostRow(name=name)
        tx.add(row)
    row.address = address
    for field, value in changes.items():
        if field not in HostState.__dataclass_fields__:
            raise AttributeError(field)
        setattr(row, field, value)
    tx.flush()


def add_deployment(tx: Session, deployment: Deployment) -> None:
    """Write down how a push to a host ended."""
    tx.add(DeploymentRow(**vars(deployment)))
    tx.flush()


def deployments(tx: Session, release: str) -> list[Deployment]:
    """Return where a release was pushed and how that ended, oldest first."""
    rows = tx.scalars(
        select(DeploymentRow).where(DeploymentRow.release == release).order_by(DeploymentRow.id)
    )
    names = Deployment.__dataclass_fields__
    return [Deployment(**{name: getattr(row, name) for name in names}) for row in rows]


def _record(row: HostRow) -> HostState:
    return HostState(**{name: getattr(row, name) for name in HostState.__dataclass_fields__})
