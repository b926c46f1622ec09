"""Keeping one connection to one host: dial, stream, ask for its status; dial again when it breaks."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Protocol

from agent.wire import Message
from controller.clock import now_ns
from controller.collect.recorder import Batch, Recorder, Seen
from controller.collect.records import PushError, read
from controller.errors import HostError, LinkError, TercelError
from controller.ssh import Link, connect
from controller.store import alerts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.inventory import Host
    from controller.respond.dispatch import Dispatcher
    from controller.store import Store

WINDOW = 2000
"""How many records a host may have in flight."""
STATUS_SECONDS = 15.0
"""How often a host is asked for its status."""
SETTLED_SECONDS = 5.0
"""How long a connection must stand for the next trouble to count as a new one."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before dialling again: doubled each time up to the longest, each with jitter."""


DIALLING = 32
"""How many hosts are dialled at once: more would only time one another out."""


class Report(Protocol):
    """Hears what happens to the connection."""

    def __call__(self, host: str, text: str) -> None:
        """Tell the operator."""


class Shared:
    """What the keepers of all hosts have in common."""

    def __init__(
        self,
        store: Store,
        recorder: Recorder,
        dispatcher: Dispatcher,
        report: Report,
        known_hosts: Path | None = None,
    ) -> None:
        self.store, self.recorder, self.dispatcher = store, recorder, dispatcher
        self.report, self.known_hosts = report, known_hosts
        self.stop = threading.Event()
        self.dialling = threading.Semaphore(DIALLING)


class Keeper(threading.Thread):
    """One host's connection, kept until ``shared.stop`` is set and ``hang_up`` called."""

    def __init__(self, host: Host, shared: Shared) -> None:
        super().__init__(name=f"keeper {host.name}", daemon=True)
        self.host, self._shared = host, shared
        self._link: Link | None = None
        self._woken = threading.Event()
        self._reason: str | None = None

    def run(self) -> None:
        """Keep the connection."""
        pause = FIRST_PAUSE
        while not self._shared.stop.is_set():
            began = now_ns()
            try:
                self._keep()
            except TercelError as error:
                reason = error.reason if isinstance(error, HostError) else str(error)
                self._lost(reason)
            if now_ns() - began > SETTLED_SECONDS * 10**9:
                pause = FIRST_PAUSE  # it stood: this is a new trouble
            self._shared.stop.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            pause = min(2 * pause, LONGEST_PAUSE)

    def hang_up(self) -> None:
        """End the connection; the thread ends if ``shared.stop`` is set."""
        self._woken.set()
        if (link := self._link) is not None:
            link.close()

    def _keep(self) -> None:
        with self._shared.dialling:
            session = connect(self.host, known_hosts=self._shared.known_hosts)
        with session:
            link, hello = Link.open(session, self._take, self._woken.set)
            self._woken.clear()
            self._link = link
            try:
                self._stream(link, hello)
            finally:
                self._link = None
                self._shared.dispatcher.detach(self.host.name, link)
                link.close()

    def _stream(self, link: Link, hello: Message) -> None:
        self._seen(
            agent_version=str(hello.get("agent_version")), boot_id=str(hello.get("boot_id")), reason=None
        )
        self._shared.dispatcher.attach(self.host.name, link)
        with self._shared.store.read() as tx:
            place = alerts.newest_epoch(tx, self.host.name)
        epoch, after = place or (None, 0)
        link.call("alerts.stream", epoch=epoch, after=after, window=WINDOW)
        self._reason = None
        self._shared.report(self.host.name, "connected")
        while link.error is None and not self._shared.stop.is_set():
            status, _ = link.call("status")
            self._seen(status={key: value for key, value in status.items() if key not in {"re", "ok"}})
            self._woken.wait(STATUS_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        if link.error is not None and not self._shared.stop.is_set():
            raise link.error

    def _take(self, message: Message, blob: bytes) -> None:
        link = self._link
        if message.get("push") != "alerts" or link is None:
            return
        try:
            records = read(self.host.name, message, blob, now_ns())
        except PushError as error:
            link.fail(LinkError(self.host.name, f"its agent's push cannot be read: {error}"))
            return
        self._shared.recorder.put(Batch(self.host.name, self.host.groups, link, records))

    def _seen(self, **changes: object) -> None:
        changes["seen_ns"] = now_ns()
        self._shared.recorder.put(Seen(self.host.name, self.host.connection.address, changes))

    def _lost(self, reason: str) -> None:
        if not self._shared.stop.is_set() and reason != self._reason:
            self._reason = reason
            self._shared.report(self.host.name, f"not connected: {reason}")
            self._shared.recorder.put(Seen(self.host.name, self.host.connection.address, {"reason": reason}))


def start(hosts: list[Host], shared: Shared) -> Callable[[], None]:
    """Keep a connection to every host. Return the function that ends them all."""
    keepers = [Keeper(host, shared) for host in hosts]
    for keeper in keepers:
        keeper.start()

    def stop() -> None:
        shared.stop.set()
        for keeper in keepers:
            keeper.hang_up()
        for keeper in keepers:
            keeper.join(timeout=2.0)

    return stop
