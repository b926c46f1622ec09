"""``tercel playbook …``: looking at playbooks before they answer anything."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.output import print_json, say, table, warn
from controller.errors import InputError
from controller.respond.decide import decide
from controller.respond.playbook import Loaded, Rule, load
from controller.respond.source import ERROR, PlaybookFile
from controller.rules.files import expand

app = typer.Typer(help="Check playbooks, show what they mean, and try alerts on them.", no_args_is_help=True)

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", help="Playbooks or folders of them, in order.", show_default=False),
]


@app.command("check")
def check(files: Files, *, json: options.Json = False) -> None:
    """Check playbooks: every error and warning with its place and fix. Exit code 2 if there is an error."""
    loaded = load(read_files(files))
    if json:
        problems = [{**vars(problem), "place": str(problem.place)} for problem in loaded.problems]
        print_json({"ok": loaded.rules is not None, "problems": problems})
    else:
        _tell(loaded)
        if loaded.rules is not None:
            modes = ", ".join(f"{sum(r.mode == m for r in loaded.rules)} {m}" for m in ("enforce", "shadow"))
            say(f"{len(loaded.rules)} rule(s): {modes}")
    if loaded.rules is None:
        raise typer.Exit(2)


@app.command("show")
def show(files: Files, *, json: options.Json = False) -> None:
    """Show the rules as all files together make them, with every default filled in."""
    rules = _rules(files)
    if json:
        print_json([_rule(rule) for rule in rules])
        return
    for rule in rules:
        _show(rule)


@app.command("test")
def try_alerts(
    files: Files,
    alerts: Annotated[
        typer.FileText,
        typer.Option(
            "--alerts",
            "-a",
            help="Falco's JSON lines, such as `tercel alerts --json` prints; - for standard input.",
        ),
    ],
    host: Annotated[str, typer.Option(help="The host that raised them, where a line does not say.")] = "host",
    groups: Annotated[
        list[str] | None, typer.Option("--group", "-g", help="A group that the host is in.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Say what the playbooks would want about alerts, limits aside. Nothing is done and nothing is stored."""
    rules = _rules(files)
    found = [
        {"alert": line.get("rule"), "host": name, "rule": decision.rule.name, "mode": decision.rule.mode,
         "action": decision.step.name, "responder": decision.step.responder}
        for line, name in _lines(alerts, host)
        for decision in decide(line, name, groups or [], rules)
    ]  # fmt: skip
    if json:
        print_json(found)
    elif found:
        table(tuple(found[0]), [tuple(one.values()) for one in found])
    else:
        say("the playbooks want nothing about these alerts")


def read_files(paths: Sequence[Path]) -> list[PlaybookFile]:
    """Read playbooks, and those in folders by name. Raises InputError."""
    try:
        return [
            PlaybookFile(str(file), file.read_bytes()) for path in paths for file in expand(path, "playbooks")
        ]
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", str(error.filename)) from None


def _rules(paths: Sequence[Path]) -> tuple[Rule, ...]:
    loaded = load(read_files(paths))
    _tell(loaded)
    if loaded.rules is None:
        raise typer.Exit(2)
    return loaded.rules


def _tell(loaded: Loaded) -> None:
    for problem in sorted(loaded.problems, key=lambda one: one.severity != ERROR):
        warn(str(problem))


def _lines(file: typer.FileText, host: str) -> Iterator[tuple[dict[str, Any], str]]:
    for number, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            line = json_module.loads(text)
        except ValueError as error:
            raise InputError(f"not JSON: {error}", f"{file.name}:{number}") from None
        if not isinstance(line, dict):
            raise InputError("an alert is a JSON object", f"{file.name}:{number}")
        extra = line.get("tercel")
        yield line, str(extra["host"]) if isinstance(extra, dict) and "host" in extra else host


def _rule(rule: Rule) -> dict[str, Any]:
    match = rule.match
    return {
        "rule": rule.name,
        "playbook": rule.playbook,
        "description": rule.description,
        "mode": rule.mode,
        "hosts": list(rule.hosts),
        "match": {
            "rules": sorted(match.rules),
            "priority": str(match.priority) if match.priority else None,
            "source": match.source or None,
            "tags": [sorted(group) for group in match.tags],
            "output_fields": [[str(test) for test in group] for group in match.fields],
        },
        "actions": [vars(step) for step in rule.steps],
        "continue": rule.continues,
        "limits": {name: vars(one) if one else None for name, one in vars(rule.limits).items()},
        "notifiers": list(rule.notifiers),
    }


def _show(rule: Rule) -> None:
    value = _rule(rule)
    say(f"{rule.name} ({rule.playbook}): {rule.mode}")
    if rule.description:
        say(f"  {rule.description}")
    say(f"  hosts: {', '.join(rule.hosts) or 'all'}")
    for key, wanted in value["match"].items():
        if wanted:
            say(f"  {key}: {_any(wanted)}")
    for name, limit in vars(rule.limits).items():
        if limit is not None:
            say(f"  {name}: {', '.join(f'{key}={each}' for key, each in vars(limit).items())}")
    for number, step in enumerate(rule.steps, 1):
        given = ", ".join(f"{name}={each}" for name, each in step.parameters.items())
        say(f"  {number}. {step.name}: {step.responder} ({given})")


def _any(wanted: Any) -> str:
    if not isinstance(wanted, list):
        return str(wanted)
    return " or ".join(" and ".join(each) if isinstance(each, list) else each for each in wanted)
