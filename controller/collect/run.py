"""``tercel run``: everything of the way up and of the response, until it is stopped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from controller.collect import keeper
from controller.collect.recorder import Recorder
from controller.collect.respond import Playbooks, Response
from controller.errors import TercelError
from controller.respond.dispatch import Dispatcher
from controller.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from controller.home import Home
    from controller.inventory import Host
    from controller.store.alerts import StoredAlert


class Runner:
    """Collects and responds between ``start`` and ``close``."""

    def __init__(
        self,
        home: Home,
        store: Store,
        *,
        on_stored: Callable[[Sequence[StoredAlert]], None],
        report: keeper.Report,
    ) -> None:
        self.over = threading.Event()
        """Set when something failed that cannot be tried again; ``failure`` says what."""
        self.failure: Exception | None = None
        self._report = report
        playbooks = Playbooks(home, self._trouble)
        self._dispatcher = Dispatcher(store, playbooks, self._fail)
        self._recorder = Recorder(
            store,
            Response(self._dispatcher, playbooks),
            on_stored=on_stored,
            on_trouble=self._trouble,
            on_failure=self._fail,
        )
        self._store = store
        self._stop: Callable[[], None] = lambda: None

    def start(self, hosts: Sequence[Host], known_hosts: Path | None = None) -> None:
        """Connect to every host and keep at it."""
        shared = keeper.Shared(self._store, self._recorder, self._dispatcher, self._report, known_hosts)
        self._stop = keeper.start(list(hosts), shared)

    def close(self) -> None:
        """Store what has arrived, wait a little for actions under way, hang up."""
        self._dispatcher.close(2.0)
        self._stop()
        self._recorder.close()

    def _trouble(self, text: str) -> None:
        self._report("controller", text)

    def _fail(self, error: Exception) -> None:
        kind = "" if isinstance(error, TercelError) else f"{type(error).__name__}: "
        self._report("controller", f"stopping: {kind}{error}")
        self.failure = error
        self.over.set()
