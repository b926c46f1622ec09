"""The controller's own folder, ``TERCEL_HOME`` (``~/.tercel``): the store, the releases, its locks."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import HomeError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Home:
    """Where the controller keeps its state. Readable by its owner only."""

    path: Path

    @classmethod
    def open(cls) -> Home:
        """Return the folder that ``TERCEL_HOME`` names, made if it is absent. Raises HomeError."""
        return cls.open_at(Path(os.environ.get("TERCEL_HOME") or "~/.tercel").expanduser())

    @classmethod
    def open_at(cls, path: Path) -> Home:
        """Return the folder ``path``, made if it is absent. Raises HomeError."""
        home = cls(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            home.releases.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"cannot use {path} (set TERCEL_HOME to a folder of yours): {error.strerror}"
            ) from None
        return home

    @property
    def database(self) -> Path:
        """The SQLite database."""
        return self.path / "tercel.db"

    @property
    def signing_key(self) -> Path:
        """The private key that signs releases."""
        return self.path / "signing.key"

    @property
    def releases(self) -> Path:
        """One folder for each release."""
        return self.path / "releases"

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold the lock ``name`` against other processes.

        Raises HomeError if another holds it and ``wait`` is false. The kernel frees it when a process dies.
        """
        with (self.path / f"{name}.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise HomeError(
                    f"another tercel process holds {file.name}: only one can do this at a time"
                ) from None
            yield
