"""Opening the store: SQLite in WAL mode, brought to the newest schema, one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from controller.errors import StoreError
from controller.home import Home
from controller.store.models import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY_SECONDS = 30
_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """The database behind ``tercel``. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._readers = engine
        self._writer = engine.execution_options(tercel_write=True)
        self._turn = threading.Lock()

    @classmethod
    def open(cls, home: Home) -> Store:
        """Open the store of ``home``, made or migrated if need be. Raises StoreError."""
        engine = create_engine(URL.create("sqlite", database=str(home.database)))
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        try:
            if _revision(home.database) != HEAD:
                with home.lock("migrate"):
                    _migrate(engine)
        except (DatabaseError, sqlite3.Error) as error:
            engine.dispose()
            raise StoreError(f"cannot use {home.database}: {getattr(error, 'orig', error)}") from None
        home.database.chmod(0o600)
        return cls(engine)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that writes: all of it happens, or nothing.

        Writers wait for one another, across processes too: keep it short, and do no
        network I/O inside. When the block ends without an exception the change is on disk.
        """
        with self._turn, self._session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent view. Writers do not wait for it."""
        with self._session(self._readers) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection."""
        self._readers.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, expire_on_commit=False) as session:
                yield session
        except DatabaseError as error:
            raise StoreError(f"the store failed: {error.orig}") from error


def _prepare(connection: Any, _record: Any) -> None:
    # SQLAlchemy's events begin transactions; the driver's own rule for that is switched off.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit is on disk before it is acknowledged to the host, which then forgets the alert.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("tercel_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _revision(path: Path) -> str | None:
    """Return the schema's revision. Without alembic: loading it costs a fifth of a second."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return row[0] if row else None


def _migrate(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(tercel_write=True).begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(f"the store is from a newer tercel; upgrade this one: {error}") from None
