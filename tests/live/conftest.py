"""Acts in child processes, and the events that they make."""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.kernel.capture import Capture

if TYPE_CHECKING:
    from agent.event import Event

MARK = "tercel-live-test"
LOGIN = 31337
"""Login uid of the processes of an act, and of no other: the kernel hands it down to all descendants."""
FILTER = """
AI bool keep(struct call *c) {
  return c->tgid == %d || GET(c->task, task_struct, loginuid) == %d;
}
"""


def missing() -> str:
    """Why live tests cannot run here; empty if they can."""
    if os.geteuid() != 0:
        return "live tests need root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF"
    return ""


class Watch:
    """A running capture, and what it saw of a child."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.events: list[Event] = []

    def drain(self, until: Callable[[], bool], seconds: float = 5.0) -> None:
        """Read until ``until`` is true; fails after some seconds."""
        deadline = time.monotonic() + seconds
        with select.epoll() as poll:
            poll.register(self.capture.fileno(), select.EPOLLIN)
            while not until():
                if time.monotonic() > deadline:
                    pytest.fail("the events did not come in time")
                poll.poll(0.05)
                self.capture.read(self.events.append)

    def act(self, function: Callable[[], None]) -> list[Event]:
        """Run an act in a child and return the events of the child and its descendants, in order."""
        self.capture.read(lambda _event: None)
        self.events = []
        child = os.fork()
        if child == 0:
            _child(function)
        _pid, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the act failed"
        self._settle()
        return [event for event in self.events if event["user.loginuid"] == LOGIN]

    def _settle(self) -> None:
        """Everything that was written before now has been read."""
        name = f"/{MARK}-{time.monotonic_ns()}".encode()
        try:
            os.close(os.open(name, os.O_RDONLY))
        except FileNotFoundError:
            self.drain(lambda: any(event["fd.name"] == name for event in self.events))

    def one(self, function: Callable[[], None], *types: str, **fields: object) -> Event:
        """Run an act and return its one event of these types whose fields are as given."""
        events = self.act(function)
        wanted = {key.replace("__", "."): value for key, value in fields.items()}
        found = [
            e for e in events if e.type in types and all(e[key] == value for key, value in wanted.items())
        ]
        assert len(found) == 1, (
            f"{len(found)} of {len(events)} events: {[(e.type, e['evt.args']) for e in events]}"
        )
        return found[0]


def _child(function: Callable[[], None]) -> None:
    signal.alarm(20)
    Path("/proc/self/loginuid").write_text(str(LOGIN))
    code = 0
    try:
        function()
    except BaseException:  # noqa: BLE001 - a child must not come back into pytest
        traceback.print_exc()
        code = 1
    os._exit(code)


@pytest.fixture(scope="module")
def event_types() -> frozenset[str]:
    """Event types that a module's capture is for; modules override it."""
    return frozenset({"open", "openat", "openat2", "creat", "execve", "execveat", "connect"})


@pytest.fixture(scope="module")
def watch(event_types: frozenset[str]) -> Iterator[Watch]:
    """A capture for all tests of a module."""
    if reason := missing():
        pytest.skip(reason)
    capture = Capture(event_types | {"openat"}, filter=FILTER % (os.getpid(), LOGIN))
    capture.start()
    yield Watch(capture)
    capture.close()


@pytest.fixture(scope="module")
def watch_with() -> Iterator[Callable[[frozenset[str], str], Watch]]:
    """Make captures of event types with a filter of the test's own (empty for none)."""
    if reason := missing():
        pytest.skip(reason)
    captures: list[Capture] = []

    def make(types: frozenset[str], text: str) -> Watch:
        ours = FILTER % (os.getpid(), LOGIN)
        if text:
            ours = text.replace("AI bool keep(", "AI bool keep_rules(") + ours.replace(
                "return ", "return keep_rules(c) && ("
            ).replace(";\n}", ");\n}")
        captures.append(Capture(types, filter=ours))
        captures[-1].start()
        return Watch(captures[-1])

    yield make
    for capture in captures:
        capture.close()
