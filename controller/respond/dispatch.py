"""Sees each enforced action through to its end: sends it, and stores what became of it.

An action is stored as ``planned`` before it is sent. Whatever is lost after that (the link, the
controller), it is sent again under the same key, and the host runs a key at most once: it
answers with the end that it wrote down.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.wire import Message
from controller.clock import now_ns
from controller.errors import HostError, RefusedError
from controller.respond.plan import Book, message, plan_next
from controller.store import Store, actions, alerts
from controller.store.actions import NewAction, Transition
from controller.text import printable

ENDS = frozenset({"done", "failed", "refused"})
WHO = "controller"
_MOST_WHY = 500


class Link(Protocol):
    """What is needed of a host's link (``controller.ssh.link.Link``)."""

    def request(self, do: str, blob: bytes = b"", **fields: Any) -> Future[tuple[Message, bytes]]:
        """Send a request. Raises HostError if the link is over."""


@dataclass
class _Flight:
    """An action that was sent and not answered."""

    action: NewAction
    link: Link


@dataclass
class _Sent:
    action: NewAction
    at_ns: int


@dataclass
class _Answered:
    action: NewAction
    answer: Future[tuple[Message, bytes]]
    at_ns: int = field(default_factory=now_ns)


class Dispatcher:
    """Sends actions to hosts. Safe to use from several threads.

    What happened is stored by one thread of its own, so that neither links nor alerts wait for it.
    If that fails ``on_failure`` is told, and nothing is sent any more.
    """

    def __init__(self, store: Store, book: Book, on_failure: Callable[[Exception], None]) -> None:
        self._store, self._book, self._on_failure = store, book, on_failure
        self._links: dict[str, Link] = {}
        self._flights: dict[str, _Flight] = {}
        self._failed = False
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._events: queue.SimpleQueue[_Sent | _Answered | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="actions", daemon=True)
        self._thread.start()

    def attach(self, host: str, link: Link) -> None:
        """Use ``link`` for ``host`` from now on, first for what was not brought to an end before."""
        with self._lock:
            self._links[host] = link
        with self._store.read() as tx:
            unfinished = actions.unfinished(tx, host)
        self.send([action.decided for action in unfinished])

    def detach(self, host: str, link: Link) -> None:
        """Stop using ``link``, if it is still the one in use."""
        with self._lock:
            if self._links.get(host) is link:
                del self._links[host]

    def send(self, wanted: Sequence[NewAction]) -> None:
        """Send actions that are stored. One for a host without a link waits for ``attach``."""
        for action in wanted:
            self._send(action)

    def close(self, seconds: float = 5.0) -> None:
        """Wait for answers, at most ``seconds``, and store them; the rest is resolved at the next start."""
        with self._idle:
            self._idle.wait_for(lambda: not self._flights, timeout=seconds)
        self._events.put(None)
        self._thread.join()

    def _send(self, action: NewAction) -> None:
        with self._lock:
            link = self._links.get(action.host)
            if link is None or self._failed or action.key in self._flights:
                return
            self._flights[action.key] = _Flight(action, link)
        # Sent before "sent" is stored: the key makes that safe, and the host does not wait for our disk.
        self._events.put(_Sent(action, now_ns()))
        try:
            answer = link.request("action.run", action=message(action))
        except HostError as error:
            answer = Future()
            answer.set_exception(error)
        answer.add_done_callback(lambda future: self._events.put(_Answered(action, future)))

    def _work(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._store_batch(batch)
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            with self._idle:
                self._failed = True
                self._flights.clear()
                self._idle.notify_all()
            self._on_failure(error)

    def _next_batch(self) -> list[_Sent | _Answered] | None:
        first = self._events.get()
        if first is None:
            return None
        batch = [first]
        while not self._events.empty() and len(batch) < 256:
            event = self._events.get()
            if event is None:
                self._events.put(None)
                break
            batch.append(event)
        return batch

    def _store_batch(self, batch: list[_Sent | _Answered]) -> None:
        following: list[NewAction] = []
        with self._store.write() as tx:
            for event in batch:
                if isinstance(event, _Sent):
                    self._store_sent(tx, event)
                elif (end := _end_of(event)) is not None:
                    following += self._store_end(tx, event.action, *end)
        lost = [self._landed(event) for event in batch if isinstance(event, _Answered)]
        self.send(following)
        self.send([action for action in lost if action is not None])

    def _landed(self, event: _Answered) -> NewAction | None:
        """Forget a flight; return its action if its link broke and another one is there by now."""
        with self._idle:
            flight = self._flights.pop(event.action.key)
            if not self._flights:
                self._idle.notify_all()
            link = self._links.get(event.action.host)
        lost = _end_of(event) is None
        return event.action if lost and link is not None and link is not flight.link else None

    def _store_sent(self, tx: Any, event: _Sent) -> None:
        stored = actions.get(tx, event.action.key)
        if stored is not None and stored.state == "planned":
            actions.move(tx, event.action.key, Transition("sent", event.at_ns, WHO, ""))

    def _store_end(
        self, tx: Any, action: NewAction, change: Transition, result: dict[str, Any]
    ) -> list[NewAction]:
        stored = actions.get(tx, action.key)
        if stored is None or stored.state not in actions.OPEN:
            return []
        actions.move(tx, action.key, change, result)
        alert = alerts.get(tx, action.host, action.epoch, action.seq)
        if alert is None:
            return []
        following = plan_next(tx, action, change, alert.record, self._book)
        return [following] if following is not None else []


def _end_of(event: _Answered) -> tuple[Transition, dict[str, Any]] | None:
    """Return how an action ended and its result; ``None`` if the answer was lost on the way."""
    error = event.answer.exception()
    if isinstance(error, RefusedError):
        return _ended(event, "failed", {"reason": f"the agent refused the request: {error.reason}"})
    if isinstance(error, HostError):
        return None
    if error is not None:
        raise error
    answer, _ = event.answer.result()
    state, result = answer.get("state"), answer.get("result")
    if state not in ENDS or not isinstance(result, dict) or answer.get("key") != event.action.key:
        return _ended(event, "failed", {"reason": "the agent's answer is none that the protocol knows"})
    times = {name: answer[name] for name in ("started_ns", "ended_ns") if isinstance(answer.get(name), int)}
    return _ended(event, str(state), {**result, **times})


def _ended(event: _Answered, state: str, result: dict[str, Any]) -> tuple[Transition, dict[str, Any]]:
    why = printable(str(result.get("reason", "")))[:_MOST_WHY]
    return Transition(state, event.at_ns, event.action.host, why), result
