"""``tercel push``."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.output import print_json, progress, say, table, warn
from controller.clock import span
from controller.home import Home
from controller.push import Delivery, Pushed
from controller.release import Shelf
from controller.rollout import Plan, roll
from controller.signing import Signer
from controller.store import Store, releases
from controller.waves import amount, split


def command(  # noqa: PLR0913 - one for each option
    release: Annotated[
        str | None,
        typer.Argument(metavar="RELEASE", help="Id or number; the newest without it.", show_default=False),
    ] = None,
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    serial: Annotated[
        str, typer.Option(help="Sizes of waves: 1,10%,100%. The last one goes for all that follow.")
    ] = "100%",
    max_failures: Annotated[
        str, typer.Option(help="How many hosts may fail before the waves left are held back: 2, 5%.")
    ] = "0",
    soak: Annotated[
        str, typer.Option(help="How long to watch a wave before the next: 30s, 10m.", show_default=False)
    ] = "0s",
    json: options.Json = False,
) -> None:
    """Bring a release to hosts and check what their engines loaded. Exit code 1 if any host failed.

    In waves if asked: the first is the canary. A host that fails to load it, or, while it is watched, stops
    running it or drops events, counts as failed; more failures than allowed hold the rest back, untouched.
    """
    home = Home.open()
    hosts = options.hosts(inventory, limit)
    plan = Plan(split(hosts, serial), amount(max_failures, len(hosts), "--max-failures"), span(soak))
    with Store.open(home) as store:
        with store.read() as tx:
            entry = releases.find(tx, release)
        contents = Shelf(home.releases).get(entry.id)
        # To name a release is to want it, older or not.
        delivery = Delivery(entry, contents, Signer.open(home) if release is not None else None)
        rolling = progress(roll(store, delivery, plan, known_hosts), len(hosts), f"push {entry.id}")
        last = {result.host: result for result in rolling}
    results = [last[host] for host in sorted(last)]
    if json:
        print_json({"release": entry.id, "hosts": [vars(result) for result in results]})
    else:
        _show(entry.id, results)
    if any(result.outcome in {"failed", "held"} for result in results):
        raise typer.Exit(1)


def _show(release: str, results: list[Pushed]) -> None:
    rows = [(r.host, r.outcome, (r.digest or "-")[:12], r.milliseconds, r.reason or "") for r in results]
    table(("host", "result", "engine digest", "ms", "reason"), rows)
    for result in results:
        for line in result.diagnostics:
            warn(f"{result.host}: {line}")
    numbers = Counter(result.outcome for result in results)
    held = ["held"] if numbers["held"] else []
    counts = [f"{numbers[outcome]} {outcome}" for outcome in ("changed", "unchanged", "failed", *held)]
    say(f"release {release}: {', '.join(counts)}")
