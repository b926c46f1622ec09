"""Sees each enforced action through to its end: sends it, and stores what became of it.

An action with a time to live is asked about when that is over: the host undoes it by itself.

An action is stored as ``planned`` before it is sent. Whatever is lost after that (the link, the
controller), it is sent again under the same key, and the host runs a key at most once: it
answers with the end that it wrote down.
"""

from __future__ import annotations

import heapq
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from agent.wire import Message
from controller.clock import now_ns
from controller.errors import HostError, RefusedError
from controller.respond.plan import Book, message, plan_next
from controller.store import Store, actions, alerts
from controller.store.actions import Action, NewAction, Transition
from controller.text import printable

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ENDS = frozenset({"done", "failed", "refused", "undone"})
ASK_SECONDS = 2.0
"""How long after its time to live an action is asked about, and again if it is not undone yet."""
WHO = "controller"
_MOST_WHY = 500
_MOST_EVENTS = 256


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


@dataclass
class _Expiring:
    action: NewAction
    seconds: float
    """Until its time to live is over."""


_Event = _Sent | _Answered | _Expiring


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
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._due: list[tuple[float, str, NewAction]] = []
        """When to ask about which action (seconds of the monotonic clock); the worker's own."""
        self._thread = threading.Thread(target=self._work, name="actions", daemon=True)
        self._thread.start()

    def attach(self, host: str, link: Link) -> None:
        """Use ``link`` for ``host`` from now on, first for what was not brought to an end before."""
        with self._lock:
            self._links[host] = link
        with self._store.read() as tx:
            unfinished = actions.unfinished(tx, host)
            expiring = actions.expiring(tx, host)
        self.send([action.decided for action in unfinished])
        for action in expiring:
            self._events.put(_Expiring(action.decided, _seconds_left(action)))

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
        self._listen(action, link, "action.run", action=message(action))

    def _work(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._store_batch(batch)
                self._ask()
        except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen
            with self._idle:
                self._failed = True
                self._flights.clear()
                self._idle.notify_all()
            self._on_failure(error)

    def _next_batch(self) -> list[_Event] | None:
        """Return what has happened; nothing if it is time to ask about an action; ``None`` at the end."""
        batch: list[_Event] = []
        wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
        try:
            event = self._events.get(timeout=wait)
            while event is not None:
                batch.append(event)
                if self._events.empty() or len(batch) >= _MOST_EVENTS:
                    return batch
                event = self._events.get()
        except queue.Empty:
            return batch
        if batch:
            self._events.put(None)  # for the next call
        return batch or None

    def _store_batch(self, batch: list[_Event]) -> None:
        following: list[NewAction] = []
        if any(not isinstance(event, _Expiring) for event in batch):
            with self._store.write() as tx:
                for event in batch:
                    following += self._store_event(tx, event)
        for event in batch:
            if isinstance(event, _Expiring):
                self._ask_later(event)
        lost = [self._landed(event) for event in batch if isinstance(event, _Answered)]
        self.send(following)
        self.send([action for action in lost if action is not None])

    def _store_event(self, tx: Session, event: _Event) -> list[NewAction]:
        stored = actions.get(tx, event.action.key)
        if stored is None or isinstance(event, _Expiring):
            return []
        if isinstance(event, _Sent):
            if stored.state == "planned":
                actions.move(tx, stored.key, Transition("sent", event.at_ns, WHO, ""))
            return []
        end = _end_of(event)
        return self._store_end(tx, stored, *end) if end is not None else []

    def _store_end(
        self, tx: Session, stored: Action, change: Transition, result: dict[str, Any]
    ) -> list[NewAction]:
        if change.state == "undone":
            store_undone(tx, stored, change, result)
            return []
        if stored.state not in actions.OPEN:
            if change.state == "done" and stored.state == "done":
                self._events.put(_Expiring(stored.decided, 0.0))  # not undone yet
            return []
        actions.move(tx, stored.key, change, result)
        if change.state == "done" and (ttl := stored.decided.parameters.get("ttl")):
            self._events.put(_Expiring(stored.decided, float(ttl)))
        alert = alerts.get(tx, stored.decided.host, stored.decided.epoch, stored.decided.seq)
        if alert is None:
            return []
        following = plan_next(tx, stored.decided, change, alert.record, self._book)
        return [following] if following is not None else []

    def _ask_later(self, event: _Expiring) -> None:
        due = time.monotonic() + max(0.0, event.seconds) + ASK_SECONDS
        heapq.heappush(self._due, (due, event.action.key, event.action))

    def _ask(self) -> None:
        """Ask hosts about actions whose time to live is over. One that is away is asked when it is back."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, key, action = heapq.heappop(self._due)
            with self._lock:
                link = self._links.get(action.host)
            if link is not None:
                self._listen(action, link, "action.get", key=key)

    def _listen(self, about: NewAction, link: Link, do: str, **fields: Any) -> None:
        try:
            answer = link.request(do, **fields)
        except HostError as error:
            answer = Future()
            answer.set_exception(error)
        answer.add_done_callback(lambda future: self._events.put(_Answered(about, future)))

    def _landed(self, event: _Answered) -> NewAction | None:
        """Forget a flight; return its action if its link broke and another one is there by now."""
        with self._idle:
            flight = self._flights.pop(event.action.key, None)
            if not self._flights:
                self._idle.notify_all()
            link = self._links.get(event.action.host)
        lost = _end_of(event) is None
        changed = flight is not None and link is not None and link is not flight.link
        return event.action if lost and changed else None


def store_undone(tx: Session, stored: Action, change: Transition, result: dict[str, Any]) -> None:
    """Store that an action was undone: it was done before, whether or not that was heard of."""
    for state in ("sent", "done"):
        if state in actions.CHANGES[stored.state] and stored.state in actions.OPEN:
            actions.move(tx, stored.key, Transition(state, change.at_ns, change.who, "learned later"))
            stored = replace(stored, state=state)
    if stored.state == "done":
        actions.move(tx, stored.key, change, {**(stored.result or {}), "undo": result})


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
    why = printable(str(result.get("reason") or result.get("why") or ""))[:_MOST_WHY]
    return Transition(state, event.at_ns, event.action.host, why), result


def _seconds_left(action: Action) -> float:
    done_ns = next((one.at_ns for one in action.transitions if one.state == "done"), 0)
    return float(action.decided.parameters["ttl"]) - (now_ns() - done_ns) / 10**9
