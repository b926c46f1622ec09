"""The command ``tercel``: one sub-application for each area, mounted here."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from controller.cli import (
    action,
    actions,
    alerts,
    host,
    playbook,
    push,
    release,
    responders,
    rules,
    run,
    status,
)
from controller.errors import TercelError
from controller.text import printable

app = typer.Typer(
    name="tercel",
    help="Runtime security for a fleet of Linux hosts: Falco rules, pushed over SSH, answered over SSH.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(host.app, name="host")
app.add_typer(release.app, name="release")
app.add_typer(rules.app, name="rules")
app.add_typer(playbook.app, name="playbook")
app.add_typer(action.app, name="action")
for _module in (push, run, status, alerts, actions, responders):
    app.command(_module.__name__.rpartition(".")[2])(_module.command)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tercel {version('tercel')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _show_version(wanted=wanted),
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Take the options that come before the command."""


def main() -> None:
    """Run ``tercel``. Exit codes: 0 ok, 1 something failed, 2 wrong input, 130 interrupted."""
    try:
        app()
    except TercelError as error:
        sys.stderr.write(f"tercel: {printable(str(error), newlines=True)}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("tercel: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does: end quietly, as other programs do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
