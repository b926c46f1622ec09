"""Which container a control group belongs to.

A name that merely looks like a hash is not enough: the path must have the shape that a known
runtime gives it.
"""

from __future__ import annotations

import re
import threading
import time
from functools import lru_cache
from queue import SimpleQueue
from typing import Callable, NamedTuple

from agent.context.runtime import Details, read

_AGAIN_S = 1.0
"""Seconds until a container that no runtime knew is looked for again."""
_REMEMBERED = 4096

_ID = rb"([0-9a-f]{64})"
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (runtime, re.compile(pattern))
    for runtime, pattern in (
        ("docker", rb"(?:^|/)docker(?:-ce)?/" + _ID + rb"(?:/|$)"),
        ("docker", rb"(?:^|/)docker-" + _ID + rb"\.scope(?:/|$)"),
        ("podman", rb"(?:^|/)libpod-" + _ID + rb"(?:\.scope)?(?:/|$)"),
        ("cri-o", rb"(?:^|/)crio-" + _ID + rb"(?:\.scope)?(?:/|$)"),
        ("containerd", rb"(?:^|/)cri-containerd-" + _ID + rb"\.scope(?:/|$)"),
        ("containerd", rb"(?:^|[/:])cri-containerd:" + _ID + rb"(?:/|$)"),
        ("containerd", rb"(?:^|/)kubepods[^/]*(?:/[^/]+){0,2}/" + _ID + rb"(?:/|$)"),
        ("containerd", rb"(?:^|/)nerdctl-" + _ID + rb"\.scope(?:/|$)"),
    )
)


class Container(NamedTuple):
    """A container, as far as its control group tells."""

    id: str
    """Full id, 64 hexadecimal digits."""
    runtime: str

    @property
    def short(self) -> str:
        """First 12 digits of the id, as people know it."""
        return self.id[:12]


@lru_cache(maxsize=4096)
def container_of(path: bytes) -> Container | None:
    """Return the container that a control group's path belongs to, or None for the host."""
    for runtime, pattern in _SHAPES:
        found = pattern.search(path)
        if found:
            return Container(found.group(1).decode(), runtime)
    return None


class Containers:
    """What is known of the containers on this host.

    Details come from the runtimes' state files, in a thread of their own: an event never
    waits for them. Until they are there they are None.
    """

    def __init__(self, look_up: Callable[[str], Details | None] = read) -> None:
        self._look_up = look_up
        self._found: dict[str, Details] = {}
        self._asked: dict[str, float] = {}
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def identify(self, cgroups: tuple[bytes, ...]) -> Container | None:
        """Return the container that one of a task's control groups belongs to, or None."""
        for path in cgroups:
            found = container_of(path)
            if found:
                return found
        return None

    def details(self, container_id: str) -> Details | None:
        """Return what is known of a container by now; the first question starts the search."""
        found = self._found.get(container_id)
        if found is None and time.monotonic() >= self._asked.get(container_id, 0.0):
            self._ask(container_id)
        return found

    def _ask(self, container_id: str) -> None:
        if len(self._asked) >= _REMEMBERED:
            self._asked.clear()
            self._found.clear()
        self._asked[container_id] = time.monotonic() + _AGAIN_S
        if self._thread is None:
            self._thread = threading.Thread(target=self._answer, name="containers", daemon=True)
            self._thread.start()
        self._queue.put(container_id)

    def _answer(self) -> None:
        while True:
            container_id = self._queue.get()
            try:
                found = self._look_up(container_id)
            except Exception:  # noqa: BLE001 - whatever a runtime wrote must not end the search for others
                self.errors += 1
                continue
            if found is not None:
                self._found[container_id] = found

    errors = 0
    """State files that could not be understood."""
