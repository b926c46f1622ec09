"""``tercel action …``: one action, and what can still be done about it."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.actions import to_json
from controller.cli.output import print_json, say
from controller.clock import iso, now_ns
from controller.errors import InputError
from controller.home import Home
from controller.store import Store, actions, alerts
from controller.store.actions import Action, Transition

app = typer.Typer(help="Look at one action, and undo it.", no_args_is_help=True)
Number = Annotated[
    int, typer.Argument(metavar="ID", help="As `tercel actions` shows it.", show_default=False)
]


@app.command("show")
def show(number: Number, *, json: options.Json = False) -> None:
    """Show an action: what it was for, every change of its state with time, author and reason, its result."""
    with Store.open(Home.open()) as store, store.read() as tx:
        action = _find(store, number)
        alert = alerts.get(tx, action.decided.host, action.decided.epoch, action.decided.seq)
    if json:
        print_json(to_json(action, alert))
        return
    one = action.decided
    say(f"action {action.id} on {one.host}: {one.responder}, {action.state} ({one.mode})")
    say(f"  alert: {one.alert_rule} ({one.epoch} {one.seq})")
    say(f"  wanted by: {one.rule} in {one.playbook}")
    say(f"  parameters: {one.parameters}")
    say(f"  target: {one.target}")
    for change in action.transitions:
        say(f"  {iso(change.at_ns)}  {change.state:8} {change.who}{': ' if change.why else ''}{change.why}")
    if action.result is not None:
        say(f"  result: {action.result}")


@app.command("undo")
def undo(
    number: Number,
    why: Annotated[str, typer.Option("--why", "-m", help="For the record.")] = "",
    inventory: options.InventoryFile = None,
    known_hosts: options.KnownHosts = None,
) -> None:
    """Undo an action on its host, where its responder can. Exit code 1 if it cannot be done now."""
    from controller.respond.dispatch import store_undone  # SSH is loaded only by what uses it
    from controller.ssh import Link, connect

    with Store.open(Home.open()) as store:
        action = _find(store, number)
        host = options.inventory(inventory).hosts.get(action.decided.host)
        if host is None:
            raise InputError(
                f"the inventory has no host {action.decided.host}: name the one that has it (-i)"
            )
        who = getpass.getuser()
        with connect(host, known_hosts=known_hosts) as session:
            link, _ = Link.open(session)
            answer, _ = link.call("action.undo", key=action.key, why=f"{who}: {why}" if why else who)
            link.close()
        result = answer.get("result")
        change = Transition("undone", now_ns(), who, why)
        with store.write() as tx:
            stored = actions.get(tx, action.key) or action
            store_undone(tx, stored, change, result if isinstance(result, dict) else {})
    say(f"action {number} on {host.name} is undone")


def _find(store: Store, number: int) -> Action:
    with store.read() as tx:
        action = actions.find(tx, number)
    if action is None:
        raise InputError(f"there is no action {number}: `tercel actions` shows what there is")
    return action
