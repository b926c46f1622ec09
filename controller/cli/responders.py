"""``tercel responders``: what an action of a playbook can be."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.output import print_json, say, table
from controller.errors import InputError
from responders.registry import RESPONDERS, descriptions
from responders.shape import Description


def command(
    name: Annotated[str | None, typer.Argument(help="Only this one, in full.", show_default=False)] = None,
    *,
    json: options.Json = False,
) -> None:
    """List the responders: what they do, their parameters, what they need."""
    if name is not None and name not in RESPONDERS:
        raise InputError(f"there is no responder {name}; there are: {', '.join(sorted(RESPONDERS))}")
    shown = descriptions() if name is None else [RESPONDERS[name].DESCRIPTION]
    if json:
        print_json([asdict(one) for one in shown])
    elif name is None:
        table(
            ("responder", "undo", "what it does"),
            [(one.name, "yes" if one.reversible else "no", one.summary) for one in shown],
        )
    else:
        _show(shown[0])


def _show(one: Description) -> None:
    say(f"{one.name}: {one.summary}")
    say(one.details)
    say(f"Needs of the alert: {', '.join(one.needs) or 'nothing'}. On the host: {', '.join(one.privileges)}.")
    say(
        f"{'Cannot' if one.destructive else 'Can'} be made good again; "
        f"{'has an' if one.reversible else 'no'} undo; "
        f"a playbook {'goes on' if one.continues else 'ends'} after it, unless it says otherwise."
    )
    table(
        ("parameter", "type", "default", "what"),
        [(each.name, each.type, each.default, _meaning(each.what, each.choices)) for each in one.parameters],
    )
    say("Example:")
    for line in one.example.splitlines():
        say(f"  {line}")


def _meaning(what: str, choices: tuple[object, ...]) -> str:
    return f"{what} ({', '.join(map(str, choices))})" if choices else what
