"""Joining collection and response: which playbooks count for an alert, and who sends the actions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from controller.errors import HomeError
from controller.release import Shelf
from controller.respond import playbook
from controller.respond.dispatch import Dispatcher
from controller.respond.plan import Planner
from controller.respond.source import PlaybookFile

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from controller.home import Home
    from controller.respond.playbook import Rule
    from controller.store.actions import NewAction
    from controller.store.alerts import StoredAlert


class Playbooks:
    """The playbook rules of each release: those that the host ran when it raised an alert."""

    def __init__(self, home: Home, on_trouble: Callable[[str], None]) -> None:
        self._shelf, self._on_trouble = Shelf(home.releases), on_trouble
        self._known: dict[str | None, Sequence[Rule]] = {None: ()}
        self._lock = threading.Lock()

    def __call__(self, release: str | None) -> Sequence[Rule]:
        """Return the rules of a release, none for one that is not known here: that is said once."""
        with self._lock:
            if release not in self._known:
                self._known[release] = self._load(str(release))
            return self._known[release]

    def _load(self, release: str) -> Sequence[Rule]:
        try:
            contents = self._shelf.get(release)
        except HomeError as error:
            self._on_trouble(f"no response to alerts of this release: {error}")
            return ()
        names = [file.path for file in contents.manifest.playbooks]
        loaded = playbook.load([PlaybookFile(name, contents.files[name]) for name in names])
        if loaded.rules is None:
            self._on_trouble(f"no response to alerts of release {release}: its playbooks do not load here")
            return ()
        return loaded.rules


class Response:
    """Plans actions for the recorder and sends them."""

    def __init__(self, dispatcher: Dispatcher, playbooks: Playbooks) -> None:
        self._dispatcher, self._planner = dispatcher, Planner(playbooks)

    def plan(
        self, tx: Session, stored: Sequence[StoredAlert], groups: Collection[str], at_ns: int
    ) -> list[NewAction]:
        """Store the decisions about alerts of one host; return the actions to send."""
        return self._planner.plan(tx, stored, groups, at_ns)

    def send(self, wanted: Sequence[NewAction]) -> None:
        """Send actions that are stored."""
        self._dispatcher.send(wanted)
