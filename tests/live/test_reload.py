"""A reload loses no event and doubles none, and a refused one changes nothing."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.kernel.capture import Capture, CaptureError

pytestmark = pytest.mark.live

TYPES = frozenset({"openat", "execve"})
_MINE = "AI bool keep(struct call *c) { return GET(c->task, task_struct, loginuid) == 31338; }"


@pytest.fixture
def capture() -> Iterator[Capture]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = Capture(TYPES, filter=_MINE)
    made.start()
    yield made
    made.close()


def _opener() -> int:
    """A child that opens /reload/0, /reload/1 … as fast as it may until it is told to end; each name once."""
    child = os.fork()
    if child:
        return child
    Path("/proc/self/loginuid").write_text("31338")
    signal.alarm(60)
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    number = 0
    while not stop:
        try:
            os.open(f"/reload/{number}", os.O_RDONLY)
        except FileNotFoundError:
            number += 1
        if number % 50 == 0:
            time.sleep(0.01)
    os._exit(0)


def _read(capture: Capture, names: Counter[bytes], seconds: float = 0.0) -> None:
    end = time.monotonic() + seconds
    with select.epoll() as poll:
        poll.register(capture.fileno(), select.EPOLLIN)
        while True:
            capture.read(lambda event: names.update([event["fd.name"]] if event.type == "openat" else []))
            if time.monotonic() >= end:
                return
            poll.poll(0.05)


def test_no_event_is_lost_and_none_is_doubled(capture: Capture) -> None:
    names: Counter[bytes] = Counter()
    child = _opener()
    try:
        _read(capture, names, 0.2)
        for types in (TYPES, TYPES | {"connect"}, TYPES):
            change = threading.Thread(target=capture.reload, args=(types, _MINE))
            change.start()
            while change.is_alive():
                _read(capture, names, 0.02)
            _read(capture, names, 0.1)
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
    _read(capture, names)
    numbers = sorted(int(name.rpartition(b"/")[2]) for name in names if name.startswith(b"/reload/"))
    assert len(numbers) > 1000
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {name: count for name, count in names.items() if count > 1} == {}
    assert not any(capture.counters().drops.values())


def test_what_the_next_programs_are_not_asked_for_ends(capture: Capture) -> None:
    capture.reload(frozenset({"execve"}), _MINE)
    names: Counter[bytes] = Counter()
    child = _opener()
    time.sleep(0.1)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    _read(capture, names)
    assert names == Counter()


def test_programs_that_the_kernel_refuses_change_nothing(capture: Capture) -> None:
    with pytest.raises(CaptureError, match=r"compile|refused"):
        capture.reload(TYPES, "AI bool keep(struct call *c) { return *(int *)0x1234; }")
    names: Counter[bytes] = Counter()
    child = _opener()
    time.sleep(0.1)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    _read(capture, names)
    assert names


def test_source_that_does_not_compile_says_where(capture: Capture) -> None:
    with pytest.raises(CaptureError, match="nonsense"):
        capture.reload(TYPES, "AI bool keep(struct call *c) { return nonsense; }")


def test_an_event_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CaptureError, match="opem"):
        Capture(frozenset({"opem"}))
