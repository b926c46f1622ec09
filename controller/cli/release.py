"""``tercel release …``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.output import print_json, say, table, warn
from controller.cli.rules import show_changes
from controller.clock import ago, iso, span
from controller.home import Home
from controller.release import Shelf, Sources, build
from controller.release.diff import diff
from controller.store import Store, hosts, releases

app = typer.Typer(
    help="Build and look at releases: rules, playbooks and a falco.yaml for each host.", no_args_is_help=True
)
Release = Annotated[
    str | None,
    typer.Argument(metavar="RELEASE", help="Id or number; the newest without it.", show_default=False),
]

RULES, PLAYBOOKS, CONFIG = Path("rules"), Path("playbooks"), Path("config/falco.yaml.j2")
"""What a release is made from if nothing is named."""


@app.command("build")
def build_command(  # noqa: PLR0913 - one for each option
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rules file or folder, in load order. Without it: rules/.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Template of falco.yaml (jinja2). Without it: config/falco.yaml.j2, if it is there."
        ),
    ] = None,
    playbooks: Annotated[
        list[Path] | None,
        typer.Option(help="Playbook file or folder. Without it: playbooks/, if it is there."),
    ] = None,
    description: Annotated[str, typer.Option("--description", "-m", help="What it is for.")] = "",
    expires: Annotated[
        str | None, typer.Option(help="Hosts do not take it after this time: 12h, 30d.", show_default=False)
    ] = None,
    *,
    inventory: options.InventoryFile = None,
) -> None:
    """Check rules, playbooks and template, and make a release of them for every host."""
    home = Home.open()
    sources = Sources(
        rules or [RULES],
        playbooks or [path for path in (PLAYBOOKS,) if path.is_dir()],
        config or (CONFIG if CONFIG.is_file() else None),
        description,
        span(expires) if expires else None,
    )
    with Store.open(home) as store:
        built = build(home, store, options.inventory(inventory), sources)
    if built.warnings:
        warn(f"{len(built.warnings)} warning(s): `tercel rules check` and `tercel playbook check` show them")
    made = "built" if built.new else "nothing changed since"
    say(f"{made} release {built.entry.id} for {len(built.entry.configs)} host(s) from {_named(sources)}")


def _named(sources: Sources) -> str:
    files = [*sources.rules, *sources.playbooks, sources.config or "the default falco.yaml"]
    return ", ".join(map(str, files))


@app.command("list")
def list_command(*, json: options.Json = False) -> None:
    """List the releases, oldest first."""
    with Store.open(Home.open()) as store, store.read() as tx:
        known = releases.every(tx)
    if json:
        print_json([_entry(entry) for entry in known])
        return
    rows = [(entry.id, ago(entry.created_ns), len(entry.configs), entry.description) for entry in known]
    table(("release", "age", "hosts", "description"), rows)


@app.command("show")
def show(release: Release = None, *, json: options.Json = False) -> None:
    """Show what a release consists of, the digest that each host must report, and where it was pushed."""
    home = Home.open()
    with Store.open(home) as store, store.read() as tx:
        entry = releases.find(tx, release)
        pushed = hosts.deployments(tx, entry.id)
    contents = Shelf(home.releases).get(entry.id)
    files = [*contents.manifest.rules, *contents.manifest.playbooks]
    digests = {name: contents.digest(config) for name, config in entry.configs.items()}
    if json:
        named = {file.path: file.sha256 for file in files}
        value = {"files": named, "digests": digests, "deployments": [vars(one) for one in pushed]}
        print_json({**_entry(entry), **value})
        return
    say(f"release {entry.id}, built {iso(entry.created_ns)}: {entry.description or 'no description'}")
    table(("file", "sha256"), [(file.path, file.sha256) for file in files])
    table(
        ("host", "falco.yaml", "engine digest"),
        [(n, c[:12], digests[n][:12]) for n, c in entry.configs.items()],
    )
    if pushed:
        rows = [(iso(one.started_ns), one.host, one.outcome, one.reason or "") for one in pushed]
        table(("pushed", "host", "result", "reason"), rows)


@app.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(metavar="A", help="Id or number.", show_default=False)],
    after: Annotated[
        str | None,
        typer.Argument(metavar="B", help="Id or number; the newest without it.", show_default=False),
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Compare two releases: rules by meaning, with what a change reaches; playbooks; configurations."""
    home = Home.open()
    with Store.open(home) as store, store.read() as tx:
        entries = [releases.find(tx, before), releases.find(tx, after)]
    old, new = ((entry, Shelf(home.releases).get(entry.id)) for entry in entries)
    found = diff(old, new)
    if json:
        print_json(asdict(found))
        return
    show_changes(list(found.rules))
    for line in found.playbooks:
        say(line)
    for change in found.configs:
        say(f"falco.yaml of {', '.join(change.hosts)}:")
        for line in change.lines:
            say(line)
    for word, names in (("new", found.hosts_added), ("left out", found.hosts_removed)):
        if names:
            say(f"{word}: {', '.join(names)}")


def _entry(entry: releases.ReleaseEntry) -> dict[str, object]:
    return {**vars(entry), "created": iso(entry.created_ns)}
