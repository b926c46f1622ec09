"""``tercel status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli import options
from controller.cli.output import print_json, progress, table, warn
from controller.clock import ago
from controller.home import Home
from controller.store import Store, alerts, hosts

if TYPE_CHECKING:
    from pathlib import Path

    from controller.inventory import Host
    from controller.store.hosts import HostState


def command(
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    stored: Annotated[bool, typer.Option("--stored", help="Show what is known; ask no host.")] = False,
    json: options.Json = False,
) -> None:
    """Ask each host what it runs, and compare that with what it should run. Exit code 1 if one differs."""
    wanted = options.hosts(inventory, limit)
    with Store.open(Home.open()) as store:
        if not stored:
            _refresh(store, wanted, known_hosts)
        with store.read() as tx:
            known, numbers = hosts.every(tx), alerts.count_by_host(tx)
    rows = [
        _row(known.get(h.name) or hosts.HostState(h.name, h.connection.address), numbers.get(h.name, 0))
        for h in wanted
    ]
    if json:
        print_json(rows)
    else:
        _show(rows)
    if any(row["state"] != "ok" for row in rows):
        raise typer.Exit(1)


def _refresh(store: Store, wanted: list[Host], known_hosts: Path | None) -> None:
    from controller.hosts.status import refresh  # SSH is loaded only by what uses it

    for _ in progress(refresh(store, wanted, known_hosts), len(wanted), "status"):
        pass


def _row(host: HostState, number: int) -> dict[str, Any]:
    status = host.status or {}
    engine = status.get("engine") or {}
    return {
        "host": host.name,
        "state": _state(host, engine),
        "agent": host.agent_version,
        "wanted": host.release_wanted,
        "loaded": engine.get("release"),
        "digest": engine.get("digest"),
        "digest_wanted": host.digest_wanted,
        "rules": engine.get("rules"),
        "mode": engine.get("mode"),
        "rss_bytes": engine.get("rss_bytes"),
        "drops": engine.get("drops"),
        "pending": _pending(status.get("spool") or {}),
        "alerts": number,
        "seen_ns": host.seen_ns,
        "reason": host.reason,
    }


def _state(host: HostState, engine: dict[str, Any]) -> str:
    """Return ``ok``, or the first thing that is not as it should be. What the engine reports counts."""
    if host.reason is not None:
        return "unreachable"
    if host.seen_ns is None:
        return "never seen"
    if not engine:
        return "no engine"
    if host.digest_wanted is None:
        return "no release"
    return "ok" if engine.get("digest") == host.digest_wanted else "drift"


def _pending(spool: dict[str, Any]) -> int | None:
    last, acked = spool.get("last"), spool.get("acked")
    return last - acked if isinstance(last, int) and isinstance(acked, int) else None


def _show(rows: list[dict[str, Any]]) -> None:
    columns = ("host", "state", "agent", "wanted", "loaded", "digest", "mode", "drops", "pending", "alerts")
    shown = [
        [
            *(row[name] for name in columns[:5]),
            (row["digest"] or "-")[:12],
            *(row[name] for name in columns[6:]),
        ]
        for row in rows
    ]
    seen = [ago(row["seen_ns"]) for row in rows]
    table((*columns, "seen"), [(*cells, when) for cells, when in zip(shown, seen, strict=True)])
    for row in rows:
        if row["reason"]:
            warn(f"{row['host']}: {row['reason']}")
