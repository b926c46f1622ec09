"""Releases that were built here. Their files are in the releases folder; this is the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from controller.errors import StoreError
from controller.store.models import ReleaseRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class ReleaseEntry:
    """A release in the index. ``created_ns``: nanoseconds since 1970."""

    id: str
    number: int
    created_ns: int
    description: str
    configs: dict[str, str]
    """Host name to sha256 of the configuration rendered for it."""


def next_number(tx: Session) -> int:
    """Return the number of the release to be built next."""
    return (tx.scalar(select(func.max(ReleaseRow.number))) or 0) + 1


def add(tx: Session, entry: ReleaseEntry) -> None:
    """Add a release."""
    tx.add(ReleaseRow(**vars(entry)))
    tx.flush()


def every(tx: Session) -> list[ReleaseEntry]:
    """Return every release, oldest first."""
    return [_entry(row) for row in tx.scalars(select(ReleaseRow).order_by(ReleaseRow.number))]


def find(tx: Session, name: str | None) -> ReleaseEntry:
    """Return the release with this id or number, the newest for None. Raises StoreError."""
    query = select(ReleaseRow).order_by(ReleaseRow.number.desc()).limit(1)
    if name is not None:
        query = (
            query.where(ReleaseRow.number == int(name))
            if name.isdecimal()
            else query.where(ReleaseRow.id == name)
        )
    row = tx.scalar(query)
    if row is None:
        wanted = f"there is no release {name!r}" if name else "there is no release yet"
        raise StoreError(
            f"{wanted}: `tercel release list` shows what there is, `tercel release build` makes one"
        )
    return _entry(row)


def _entry(row: ReleaseRow) -> ReleaseEntry:
    return ReleaseEntry(row.id, row.number, row.created_ns, row.description, dict(row.configs))
