"""The one thread of ``tercel run`` that stores: alerts in batches, with the decisions about them.

For each batch: one transaction; when it is on disk, the actions go out and the hosts hear that
they may forget. Killed before that, nothing is lost: the hosts stream again. Killed after, nothing
is doubled: the store knows what it has, and an action's key is run once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from controller.clock import now_ns
from controller.errors import HostError, StoreError
from controller.store import alerts, hosts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from controller.ssh import Link
    from controller.store import Store
    from controller.store.actions import NewAction
    from controller.store.alerts import SpoolRecord, StoredAlert

_MOST_ITEMS = 256
_RETRY_SECONDS = 1.0


class Responding(Protocol):
    """What the recorder asks about alerts: which actions do they lead to, and send those."""

    def plan(
        self, tx: Session, stored: Sequence[StoredAlert], groups: Collection[str], at_ns: int
    ) -> list[NewAction]:
        """Store the decisions about alerts of one host; return the actions to send."""

    def send(self, wanted: Sequence[NewAction]) -> None:
        """Send actions that are stored."""


@dataclass(frozen=True)
class Batch:
    """Records of one push, and the link to acknowledge them on."""

    host: str
    groups: Collection[str]
    link: Link
    records: Sequence[SpoolRecord]


@dataclass(frozen=True)
class Seen:
    """Something to remember about a host: fields of ``HostState``."""

    host: str
    address: str
    changes: dict[str, Any] = field(default_factory=dict)


class Recorder:
    """Stores what is put in, in order. ``put`` never waits: each host's window bounds what can queue up."""

    def __init__(
        self,
        store: Store,
        responding: Responding,
        *,
        on_stored: Callable[[Sequence[StoredAlert]], None],
        on_trouble: Callable[[str], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        """``on_trouble`` hears of what is tried again, ``on_failure`` of what ends the thread."""
        self._store, self._responding = store, responding
        self._on_stored, self._on_trouble, self._on_failure = on_stored, on_trouble, on_failure
        self._items: queue.SimpleQueue[Batch | Seen | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def put(self, item: Batch | Seen) -> None:
        """Store this soon."""
        self._items.put(item)

    def close(self) -> None:
        """Store what was put in, then end. If the store fails now, hosts keep what is not stored."""
        self._closing.set()
        self._items.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while items := self._next():
                self._keep(items)
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            self._on_failure(error)

    def _next(self) -> list[Batch | Seen]:
        items: list[Batch | Seen] = []
        item = self._items.get()
        while item is not None:
            items.append(item)
            if len(items) >= _MOST_ITEMS or self._items.empty():
                return items
            item = self._items.get()
        self._items.put(None)  # for the next call, which then finds nothing before it
        return items

    def _keep(self, items: list[Batch | Seen]) -> None:
        while True:
            try:
                stored, wanted = self._store_items(items)
            except StoreError as error:
                self._on_trouble(f"cannot store, trying again: {error}")
                if self._closing.wait(_RETRY_SECONDS):
                    return
                continue
            break
        self._responding.send(wanted)
        self._acknowledge([item for item in items if isinstance(item, Batch)])
        self._on_stored(stored)

    def _store_items(self, items: list[Batch | Seen]) -> tuple[list[StoredAlert], list[NewAction]]:
        stored: list[StoredAlert] = []
        wanted: list[NewAction] = []
        at_ns = now_ns()
        with self._store.write() as tx:
            for item in items:
                if isinstance(item, Seen):
                    hosts.update(tx, item.host, item.address, **item.changes)
                    continue
                fresh = alerts.add(tx, item.records, stored_ns=at_ns)
                wanted += self._responding.plan(tx, fresh, item.groups, now_ns())
                stored += fresh
        return stored, wanted

    def _acknowledge(self, batches: list[Batch]) -> None:
        last: dict[tuple[Link, str], int] = {}
        for batch in batches:
            for record in batch.records:
                last[batch.link, record.epoch] = record.seq
        for (link, epoch), seq in last.items():
            try:
                link.request("alerts.ack", epoch=epoch, seq=seq)
            except HostError:
                continue  # the link is over: the next stream begins behind what is stored
