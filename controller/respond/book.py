"""The playbooks of each release: an alert is answered by the release that raised it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from controller.errors import InputError
from controller.release.shelf import Shelf
from controller.respond.playbook import Rule, load
from controller.respond.source import ERROR, PlaybookFile


class ReleaseBook:
    """Playbook rules by release id, read once each. Safe to use from several threads.

    ``files_of`` reads a release's playbooks; ``always`` are files that hold for every release, read after
    its own, so that they change it: what an operator gives on the command line.
    """

    def __init__(
        self, files_of: Callable[[str], Sequence[PlaybookFile]], always: Sequence[PlaybookFile] = ()
    ) -> None:
        self._files_of, self._always = files_of, tuple(always)
        self._rules: dict[str | None, tuple[Rule, ...]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of_shelf(cls, shelf: Shelf, always: Sequence[PlaybookFile] = ()) -> ReleaseBook:
        """Return the book of the releases that were built here."""

        def files_of(release: str) -> list[PlaybookFile]:
            contents = shelf.get(release)
            return [
                PlaybookFile(file.path, contents.files[file.path]) for file in contents.manifest.playbooks
            ]

        return cls(files_of, always)

    def __call__(self, release: str | None) -> Sequence[Rule]:
        """Return the rules for alerts of ``release``. Raises InputError if its playbooks are broken."""
        with self._lock:
            if release not in self._rules:
                own = self._files_of(release) if release is not None else ()
                self._rules[release] = checked([*own, *self._always])
            return self._rules[release]


def checked(files: Sequence[PlaybookFile]) -> tuple[Rule, ...]:
    """Return the rules of playbooks. Raises InputError with every error if there is one."""
    loaded = load(files)
    if loaded.rules is None:
        errors = [str(problem) for problem in loaded.problems if problem.severity == ERROR]
        raise InputError("\n".join([*errors, "the playbooks are not usable"]))
    return loaded.rules
