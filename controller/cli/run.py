"""``tercel run``."""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import options
from controller.clock import iso
from controller.home import Home
from controller.store import Store
from controller.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from controller.store.alerts import StoredAlert


def command(
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show alerts.")] = False,
) -> None:
    """Hold a connection to each host, store its alerts, and respond as the playbooks say, until stopped.

    SIGTERM ends it with exit code 0, Ctrl-C with 130.
    Killed at any point it loses no alert and repeats no action.
    """
    from controller.collect.run import Runner  # SSH is loaded only by what uses it

    home = Home.open()
    hosts = options.hosts(inventory, limit)
    with home.lock("run", wait=False), Store.open(home) as store:
        runner = Runner(home, store, on_stored=_silent if quiet else _show, report=_report)
        caught = _catch_signals(runner.over)
        runner.start(hosts, known_hosts)
        runner.over.wait()
        _report("controller", "stopping")
        runner.close()
    if runner.failure is not None:
        raise runner.failure
    if signal.SIGINT in caught:
        raise typer.Exit(130)


def _catch_signals(over: threading.Event) -> list[int]:
    """Set ``over`` at SIGINT and SIGTERM; at the second one end at once.

    Return the list that they are put in.
    """
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        over.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, catch)
    signal.signal(signal.SIGTERM, catch)
    return caught


def _silent(_stored: Sequence[StoredAlert]) -> None:
    """Show nothing."""


def _show(stored: Sequence[StoredAlert]) -> None:
    for alert in stored:
        _write(alert.to_line())


def _report(host: str, text: str) -> None:
    _write(f"{iso(time.time_ns())} {host}: {text}", sys.stderr)


def _write(line: str, stream: object = None) -> None:
    out = sys.stdout if stream is None else sys.stderr
    out.write(printable(line) + "\n")
    out.flush()
