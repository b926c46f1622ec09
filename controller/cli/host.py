"""``tercel host …``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from controller.cli import options
from controller.cli.output import print_json, progress, say, table, warn
from controller.errors import HostError
from controller.home import Home
from controller.inventory import Host
from controller.parallel import Outcome, each

if TYPE_CHECKING:
    from controller.hosts.check import Fitness
    from controller.hosts.install import Installed

app = typer.Typer(help="The hosts: list, check, install the agent.", no_args_is_help=True)


@app.command("list")
def list_command(
    limit: options.Limit = None, inventory: options.InventoryFile = None, *, json: options.Json = False
) -> None:
    """List the hosts of the inventory, with their groups and how they are reached."""
    hosts = options.hosts(inventory, limit)
    if json:
        print_json(
            [{"name": h.name, "groups": h.groups, **_reach(h), "variables": h.values()} for h in hosts]
        )
        return
    rows = [(h.name, ",".join(g for g in h.groups if g != "all"), *_reach(h).values()) for h in hosts]
    table(("host", "groups", "address", "port", "user"), rows)


@app.command("check")
def check_command(
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    json: options.Json = False,
) -> None:
    """Reach each host and say what it is, what is missing, and the fix. Exit code 1 if one is not fit."""
    from controller.hosts.check import check  # SSH is loaded only by what uses it
    from controller.ssh import connect

    def look(host: Host) -> Fitness:
        with connect(host, known_hosts=known_hosts) as session:
            return check(session)

    hosts = options.hosts(inventory, limit)
    outcomes = sorted(
        progress(each(hosts, look), len(hosts), "check"), key=lambda outcome: hosts.index(outcome.host)
    )
    if json:
        print_json([_fitness_json(outcome) for outcome in outcomes])
    else:
        _show_fitness(outcomes)
    if any(outcome.value is None or outcome.value.problems for outcome in outcomes):
        raise typer.Exit(1)


@app.command("install")
def install_command(
    limit: options.Limit = None,
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
    *,
    json: options.Json = False,
) -> None:
    """Put the agent on each host, or bring it up to date. Exit code 1 if one failed."""
    from controller.hosts.install import install  # SSH is loaded only by what uses it
    from controller.signing import Signer
    from controller.ssh import connect

    key = Signer.open(Home.open()).public

    def put(host: Host) -> Installed:
        with connect(host, known_hosts=known_hosts) as session:
            return install(session, key)

    hosts = options.hosts(inventory, limit)
    outcomes = sorted(
        progress(each(hosts, put), len(hosts), "install"), key=lambda done: hosts.index(done.host)
    )
    rows = [_installed(outcome) for outcome in outcomes]
    if json:
        print_json(rows)
    else:
        columns = ("host", "result", "version", "what was done last")
        table(columns, [(*list(row.values())[:3], (row["notes"] or [""])[-1]) for row in rows])
    if any(outcome.value is None for outcome in outcomes):
        raise typer.Exit(1)


def _installed(outcome: Outcome[Installed]) -> dict[str, Any]:
    done = outcome.value
    if done is None:
        return {"host": outcome.host.name, "result": "failed", "version": None, "notes": [_reason(outcome)]}
    result = "changed" if done.changed else "unchanged"
    return {"host": outcome.host.name, "result": result, "version": done.version, "notes": list(done.notes)}


def _reach(host: Host) -> dict[str, Any]:
    connection = host.connection
    return {"address": connection.address, "port": connection.port, "user": connection.user}


def _fitness_json(outcome: Outcome[Fitness]) -> dict[str, Any]:
    if outcome.value is None:
        return {
            "host": outcome.host.name,
            "fit": False,
            "error": _reason(outcome),
            "problems": [],
            "warnings": [],
        }
    found = outcome.value
    told = {"problems": found.problems, "warnings": found.warnings, "facts": vars(found.facts)}
    return {"host": outcome.host.name, "fit": not found.problems, "error": None, **told}


def _reason(outcome: Outcome[Any]) -> str:
    error = outcome.error
    return error.reason if isinstance(error, HostError) else str(error)


def _show_fitness(outcomes: list[Outcome[Fitness]]) -> None:
    columns = ("host", "fit", "os", "kernel", "btf", "python", "bcc", "containers", "clock", "agent")
    table(columns, [_row(outcome) for outcome in outcomes])
    for outcome in outcomes:
        found = outcome.value
        lines = [*found.problems, *found.warnings] if found else [_reason(outcome)]
        for line in lines:
            warn(f"{outcome.host.name}: {line}")
    unfit = [o.host.name for o in outcomes if o.value is None or o.value.problems]
    say(
        f"{len(outcomes) - len(unfit)} of {len(outcomes)} hosts fit"
        + (f"; not fit: {', '.join(unfit)}" if unfit else "")
    )


def _row(outcome: Outcome[Fitness]) -> tuple[object, ...]:
    if outcome.value is None:
        return (outcome.host.name, "unreachable", *[None] * 8)
    facts = outcome.value.facts
    return (
        outcome.host.name,
        "not fit" if outcome.value.problems else "ok",
        facts.os,
        facts.kernel,
        "yes" if facts.btf else "no",
        ".".join(map(str, facts.python)),
        facts.bcc or "no",
        ",".join(facts.runtimes) or "none",
        f"{facts.clock_offset * 1000:+.0f} ±{facts.clock_error * 1000:.0f} ms",
        facts.agent or "no",
    )
