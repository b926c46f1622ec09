"""From the real spool through the real link and a real sshd into the store."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sshd import Sshd

from agent.outputs import spool
from controller.collect import keeper
from controller.collect.run import Runner
from controller.home import Home
from controller.inventory import Host
from controller.store import Store, alerts, hosts

pytestmark = pytest.mark.fleet


def body(number: int) -> dict[str, Any]:
    now = time.time_ns()
    alert = {"rule": "R", "priority": "Warning", "output": f"n {number}", "output_fields": {"n": number}}
    return {
        "release": None,
        "digest": None,
        "alert": alert,
        "subject": {},
        "t": {"event_ns": now, "spooled_ns": now},
    }


def numbers(store: Store) -> list[int]:
    with store.read() as tx:
        return [alert.record.line["output_fields"]["n"] for alert in alerts.find(tx, alerts.Filter())]


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@contextlib.contextmanager
def running(home: Home, store: Store, host: Host, heard: list[str] | None = None) -> Iterator[Runner]:
    stored: list[Any] = []

    def note(where: str, text: str) -> None:
        if heard is not None:
            heard.append(f"{where}: {text}")

    runner = Runner(home, store, on_stored=stored.extend, report=note)
    runner.start([host])
    try:
        yield runner
    finally:
        runner.close()
    assert runner.failure is None


def test_alerts_come_into_the_store_and_are_acknowledged(
    home: Home, store: Store, host: Host, writer: spool.Writer
) -> None:
    writer.append(body(1), 4)
    with running(home, store, host):
        until(lambda: numbers(store) == [1])
        writer.append(body(2), 4)
        until(lambda: numbers(store) == [1, 2])
        until(lambda: spool.describe(writer.folder)["acked"] == 2)


def test_an_alert_is_stored_within_100_milliseconds_for_the_most_part(
    home: Home, store: Store, host: Host, writer: spool.Writer
) -> None:
    with running(home, store, host):
        for number in range(30):
            writer.append(body(number), 4)
            until(lambda wanted=number: len(numbers(store)) == wanted + 1)  # type: ignore[misc]
    with store.read() as tx:
        waits = sorted(a.stored_ns - (a.record.spooled_ns or 0) for a in alerts.find(tx, alerts.Filter()))
    assert waits[len(waits) // 2] < 100_000_000  # a median in tens of milliseconds shows that nothing polls


def test_the_host_is_remembered_as_it_says_it_is(
    home: Home, store: Store, host: Host, writer: spool.Writer
) -> None:
    def seen() -> hosts.HostState | None:
        with store.read() as tx:
            return hosts.get(tx, "web1")

    writer.append(body(1), 4)
    with running(home, store, host):
        until(lambda: (state := seen()) is not None and state.status is not None)
    state = seen()
    assert state is not None
    assert state.agent_version == "0.1.0"
    assert state.reason is None


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(keeper, "FIRST_PAUSE", 0.05)


@pytest.mark.usefixtures("impatient")
def test_cut_connections_lose_nothing_and_double_nothing(
    home: Home, store: Store, host: Host, writer: spool.Writer, sshd: Sshd
) -> None:
    done = threading.Event()

    def cut() -> None:
        chance = random.Random(7)
        while not done.wait(chance.uniform(0.2, 0.6)):
            sshd.cut()

    cutter = threading.Thread(target=cut)
    heard: list[str] = []
    with running(home, store, host, heard):
        cutter.start()
        for number in range(600):
            writer.append(body(number), 4)
            time.sleep(0.005)
        done.set()
        cutter.join()
        until(lambda: len(numbers(store)) >= 600)
    assert numbers(store) == list(range(600))
    assert sum("not connected" in text for text in heard) >= 2


def test_a_host_that_comes_back_is_connected_again(
    home: Home, store: Store, host: Host, writer: spool.Writer, sshd: Sshd
) -> None:
    heard: list[str] = []
    sshd.stop()
    with running(home, store, host, heard):
        until(lambda: any("Connection refused" in text for text in heard))
        writer.append(body(1), 4)
        sshd.start()
        until(lambda: numbers(store) == [1])


def start_run(inventory: Path) -> subprocess.Popen[bytes]:
    code = "from controller.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "run", "-q", "-i", inventory],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_kill_9_of_the_controller_loses_nothing_and_doubles_nothing(
    home: Home, store: Store, inventory_file: Path, writer: spool.Writer
) -> None:
    done = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not done.is_set():
            writer.append(body(written), 4)
            written += 1
            time.sleep(0.002)

    author = threading.Thread(target=write)
    author.start()
    for _ in range(4):
        before = len(numbers(store))
        process = start_run(inventory_file)
        until(lambda wanted=before: len(numbers(store)) > wanted)  # type: ignore[misc]
        time.sleep(random.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
    done.set()
    author.join()
    process = start_run(inventory_file)
    until(lambda: len(numbers(store)) >= written)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert numbers(store) == list(range(written))


def test_ctrl_c_ends_it_with_130(home: Home, inventory_file: Path) -> None:
    process = start_run(inventory_file)
    assert process.stderr is not None
    assert b"connected" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert home.database.exists()


def test_only_one_can_run_at_a_time(home: Home, inventory_file: Path) -> None:
    with home.lock("run"):
        process = start_run(inventory_file)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert b"only one can do this at a time" in error


def test_a_store_that_fails_for_a_while_delays_alerts_and_loses_none(
    home: Home, store: Store, host: Host, writer: spool.Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controller.errors import StoreError

    real: Callable[..., Any] = alerts.add
    failures = iter([StoreError("disk full")])

    def add(tx: Any, records: Sequence[alerts.SpoolRecord], *, stored_ns: int) -> Any:
        for error in failures:
            raise error
        return real(tx, records, stored_ns=stored_ns)

    monkeypatch.setattr(alerts, "add", add)
    heard: list[str] = []
    with running(home, store, host, heard):
        writer.append(body(1), 4)
        until(lambda: numbers(store) == [1])
    assert any("disk full" in text for text in heard)


def test_nothing_is_left_running_after_the_end(home: Home, store: Store, host: Host, sshd: Sshd) -> None:
    with running(home, store, host):
        until(lambda: bool(sshd.children()))
    until(lambda: not sshd.children())
