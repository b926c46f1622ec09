"""What the agent is told to run: a configuration file by name, or the release that is current."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from agent.paths import Paths

CONFIG = "falco.yaml"
"""``agent.release.CONFIG``, without what else that module needs to be imported."""
_CURRENT = Path("/etc/tercel/current")


@dataclass(frozen=True)
class Source:
    """Where a configuration and its rules come from."""

    config: Path
    options: tuple[str, ...] = ()
    """``-o KEY=VALUE`` of the command line."""
    rules: tuple[str, ...] = ()
    """``-r`` of the command line: instead of ``rules_files``."""
    release: Path | None = None
    """Folder of the release that ``config`` is part of."""
    current: tuple[Path, ...] = ()
    """Paths that mean that folder wherever the configuration names them."""

    def resolve(self, path: str) -> Path:
        """Return the file or folder that a path in the configuration names."""
        found = Path(path)
        for current in self.current:
            if self.release is not None and current in (found, *found.parents):
                return self.release / found.relative_to(current)
        return found

    @property
    def release_id(self) -> str | None:
        """Id of the release, ``None`` if this is none."""
        return None if self.release is None else self.release.name


def of_release(paths: Paths, folder: Path, base: Source | None = None) -> Source:
    """Return the source for a release's folder; ``base`` gives the options of the command line.

    ``/etc/tercel/current`` in its configuration means that folder.
    """
    base = base or Source(Path())
    current = (_CURRENT, paths.current)
    return replace(base, config=folder / CONFIG, release=folder, current=current)


def current_release(paths: Paths) -> Path | None:
    """Return the folder of the release in use, ``None`` if there is none."""
    if not paths.current.is_symlink():
        return None
    folder = paths.current.resolve()
    return folder if folder.is_dir() else None
