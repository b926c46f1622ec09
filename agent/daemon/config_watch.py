"""``watch_config_files``: a change of the configuration or the rules on disk is a reload.

Renames, symlinks that are pointed elsewhere and files that come and go are changes too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent.daemon.loading import Prepared
from agent.digest import sha256
from agent.inotify import Watch

_LOOK_S = 1.0
_SETTLE_S = 0.1  # as Falco: several writes in a row are one change

Signature = dict[str, tuple[int, ...]]


class ConfigWatch:
    """Calls ``changed`` from a thread of its own when something on disk is not as it was loaded.

    ``running`` returns what runs; nothing is watched while that is ``None`` or does not ask for it.
    """

    def __init__(self, running: Callable[[], Prepared | None], changed: Callable[[], None]) -> None:
        self._running, self._changed = running, changed
        self._prepared: Prepared | None = None
        self._signature: Signature = {}
        self._watch = Watch()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._follow()
            if not self._watch.wait(_LOOK_S) and self._watch.works:
                continue
            time.sleep(_SETTLE_S)
            if self._is_changed():
                self._changed()

    def _follow(self) -> None:
        """Watch the files of what runs now."""
        prepared = self._running()
        if prepared is self._prepared:
            return
        self._prepared = prepared
        if prepared is None or not prepared.config.watch_config_files:
            self._signature = {}
            return
        for path in _paths(prepared):
            for folder in {path.parent, path.resolve().parent, *([path] if path.is_dir() else [])}:
                self._watch.add(folder)
        self._signature = _signature(prepared)
        if not _is_as_loaded(prepared):
            self._changed()

    def _is_changed(self) -> bool:
        prepared = self._prepared
        if prepared is None or not prepared.config.watch_config_files:
            return False
        before, self._signature = self._signature, _signature(prepared)
        return before != self._signature


def _paths(prepared: Prepared) -> list[Path]:
    source, config = prepared.source, prepared.config
    named = [source.resolve(name) for name in source.rules or config.rules_files]
    loaded = [Path(name) for name, _ in (*prepared.config_sha256, *prepared.rules_sha256)]
    return [*named, *loaded]


def _signature(prepared: Prepared) -> Signature:
    """Return what tells one state of the files from another, folders' own entries included."""
    paths = _paths(prepared)
    entries = [entry for path in paths if path.is_dir() for entry in path.iterdir()]
    return {str(path): _state(path) for path in (*paths, *entries)}


def _state(path: Path) -> tuple[int, ...]:
    """Return a file's device, inode, size and time of change, through symlinks; nothing if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _is_as_loaded(prepared: Prepared) -> bool:
    """Whether the files have the content that was loaded: one may have changed before it was watched."""
    loaded = (*prepared.config_sha256, *prepared.rules_sha256)
    return all(_digest(Path(name)) == digest for name, digest in loaded)


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hex()
    except OSError:
        return ""
