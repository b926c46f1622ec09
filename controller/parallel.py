"""The same work for many hosts at once."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from controller.errors import TercelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from controller.inventory import Host

T = TypeVar("T")
FORKS = 50
"""How many hosts are worked on at once."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of the work for one host: a value, or the error that stopped it."""

    host: Host
    value: T | None = None
    error: TercelError | None = None


def each(hosts: Sequence[Host], work: Callable[[Host], T], forks: int = FORKS) -> Iterator[Outcome[T]]:
    """Do ``work`` for every host, ``forks`` at once; give each outcome as it comes.

    A host's TercelError is its outcome and stops no other; any other exception is a bug and is raised
    here. The threads are daemons: an interrupted command does not wait for slow hosts.
    """
    waiting: queue.SimpleQueue[Host] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome[T] | BaseException] = queue.SimpleQueue()
    for host in hosts:
        waiting.put(host)
    for _ in range(min(forks, len(hosts))):
        threading.Thread(target=_serve, args=(waiting, done, work), daemon=True).start()
    for _ in hosts:
        outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        yield outcome


def _serve(
    waiting: queue.SimpleQueue[Host],
    done: queue.SimpleQueue[Outcome[T] | BaseException],
    work: Callable[[Host], T],
) -> None:
    while True:
        try:
            host = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put(Outcome(host, value=work(host)))
        except TercelError as error:
            done.put(Outcome(host, error=error))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            done.put(error)
