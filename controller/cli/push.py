"""``tercel push``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import options
from controller.cli.output import print_json, progress, say, table, warn
from controller.home import Home
from controller.push import Delivery, Pushed, push
from controller.release import Shelf
from controller.signing import Signer
from controller.store import Store, releases


def command(
    release: Annotated[
        str | None,
        typer.Argument(metavar="RELEASE", help="Id or number; the newest without it.", show_default=False),
    ] = None,
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    json: options.Json = False,
) -> None:
    """Bring a release to hosts and check what their engines loaded. Exit code 1 if any host failed."""
    home = Home.open()
    hosts = options.hosts(inventory, limit)
    with Store.open(home) as store:
        with store.read() as tx:
            entry = releases.find(tx, release)
        contents = Shelf(home.releases).get(entry.id)
        # To name a release is to want it, older or not.
        delivery = Delivery(entry, contents, Signer.open(home) if release is not None else None)
        results = list(progress(push(store, delivery, hosts, known_hosts), len(hosts), f"push {entry.id}"))
    results.sort(key=lambda result: result.host)
    if json:
        print_json({"release": entry.id, "hosts": [vars(result) for result in results]})
    else:
        _show(entry.id, results)
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(1)


def _show(release: str, results: list[Pushed]) -> None:
    rows = [(r.host, r.outcome, (r.digest or "-")[:12], r.milliseconds, r.reason or "") for r in results]
    table(("host", "result", "engine digest", "ms", "reason"), rows)
    for result in results:
        for line in result.diagnostics:
            warn(f"{result.host}: {line}")
    counts = [f"{sum(r.outcome == o for r in results)} {o}" for o in ("changed", "unchanged", "failed")]
    say(f"release {release}: {', '.join(counts)}")
