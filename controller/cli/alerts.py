"""``tercel alerts``."""

from __future__ import annotations

import sys
import time
from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from agent.alert import PRIORITIES
from controller.clock import since
from controller.errors import InputError
from controller.home import Home
from controller.store import Store, alerts
from controller.text import printable

if TYPE_CHECKING:
    from controller.store.alerts import Filter

FOLLOW_SECONDS = 0.05
"""How often ``--follow`` looks into the store."""


def command(  # noqa: PLR0913 - one for each option
    host: Annotated[str | None, typer.Option(help="Only of this host.", show_default=False)] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule.", show_default=False)] = None,
    priority: Annotated[
        str | None, typer.Option(help="This priority or more urgent.", show_default=False)
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--since", help="Not older: 15m, 2h, 7d or a time.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="The newest so many.", min=1)] = 100,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing alerts as they are stored.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Falco's JSON lines, with a tercel object.")] = False,
) -> None:
    """Show stored alerts, oldest first."""
    if priority is not None and priority.lower() not in {name.lower() for name in PRIORITIES}:
        raise InputError(f"{priority!r} is no priority: there are {', '.join(PRIORITIES)}", "--priority")
    start = since(begin) if begin else None
    with Store.open(Home.open()) as store:
        newest = _show(store, alerts.Filter(host, rule, priority, start), limit, json=json)
        while follow:
            time.sleep(FOLLOW_SECONDS)
            newest = _show(store, alerts.Filter(host, rule, priority, start, newest), None, json=json)


def _show(store: Store, wanted: Filter, limit: int | None, *, json: bool) -> int:
    """Show what there is; return the id of the newest alert of the store."""
    with store.read() as tx:
        newest = alerts.newest_id(tx)
        found = alerts.find(tx, wanted, limit) if newest > wanted.after_id else []
    for alert in found:
        sys.stdout.write((dumps(alert.to_json()) if json else printable(alert.to_line())) + "\n")
    sys.stdout.flush()
    return newest
