"""``tercel rules …``: tools for the authors of rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.language import Loaded, Ruleset, RulesFile, load
from controller.cli import options
from controller.cli.output import print_json, say, table, warn
from controller.errors import InputError, TercelError
from controller.rules.files import expand, read_files
from controller.rules.render import Line, Renderer, summary

if TYPE_CHECKING:
    from controller.rules.compare import Change

app = typer.Typer(
    help="Check, show, format, compare and test rules files.",
    no_args_is_help=True,
)
Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILES…", help="Rules files and folders, in load order.", show_default=False),
]
_STYLES = {"error": "bold red", "warning": "bold yellow", "caret": "green", "help": "cyan"}


class _FoundErrorsError(TercelError):
    """The rules have errors, which were shown."""

    exit_code = 2


@app.command()
def check(
    files: Files,
    *,
    json: options.Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings make the exit code 1.")] = False,
) -> None:
    """Check rules: every error and warning with its place and what to do.

    Exit code 0: clean, 1: warnings and --strict, 2: errors. --json is Falco's -V -o json_output=true.
    """
    given = read_files(files)
    loaded = load(given)
    if json:
        from controller.rules.falco_json import load_results  # only --json needs it

        print_json(load_results(loaded))
    else:
        _show(loaded, given)
    if loaded.ruleset is None:
        raise typer.Exit(2)
    if strict and loaded.diagnostics:
        raise typer.Exit(1)


def _show(loaded: Loaded, given: list[RulesFile]) -> None:
    renderer = Renderer(given)
    for item in loaded.diagnostics:
        for line in renderer.render(item):
            _print(line)
        sys.stdout.write("\n")
    say(summary(loaded.diagnostics, len(given)))


def _print(line: Line) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(line.text + "\n")
        return
    from rich.console import Console  # a terminal is there to see it
    from rich.text import Text

    Console(soft_wrap=True).print(Text(line.text, style=_STYLES.get(line.style, "")))


def _load(files: list[Path]) -> Ruleset:
    """Load rules that must be without errors. Shows the errors otherwise, and ends with exit code 2."""
    given = read_files(files)
    loaded = load(given)
    if loaded.ruleset is None:
        renderer = Renderer(given)
        for item in loaded.errors:
            for line in renderer.render(item):
                warn(line.text)
        raise _FoundErrorsError(f"{len(loaded.errors)} error(s) in the rules")
    return loaded.ruleset


@app.command("list")
def list_command(files: Files, *, json: options.Json = False) -> None:
    """List the rules."""
    rules = _load(files).rules
    if json:
        keys = ("name", "priority", "source", "enabled", "tags", "desc")
        print_json([{key: getattr(rule, key) for key in keys} for rule in rules])
        return
    rows = [
        (
            rule.name,
            rule.priority,
            "yes" if rule.enabled else "no",
            len(rule.event_types),
            " ".join(rule.tags),
        )
        for rule in rules
    ]
    table(("rule", "priority", "enabled", "event types", "tags"), rows)


@app.command()
def show(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.", show_default=False)],
    files: Files,
    *,
    json: options.Json = False,
) -> None:
    """Show what a rule means: its condition with macros and lists resolved, fields, event types, tags."""
    from agent.language.decode import did_you_mean  # only a wrong name needs it
    from controller.rules.describe import details

    rules = {one.name: one for one in _load(files).rules}
    found = rules.get(rule)
    if found is None:
        hint = did_you_mean(rule, rules)
        raise InputError(f"no such rule: {rule}{'; ' + hint if hint else ''}")
    described = details(found)
    if json:
        print_json(described)
        return
    for key, value in described.items():
        _show_detail(key, value)


def _show_detail(key: str, value: Any) -> None:
    if value in ([], {}, ()):
        return
    if isinstance(value, dict):
        value = [f"{name} ({said})" for name, said in value.items()]
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    lines = str(value).strip().split("\n")
    if len(lines) > 1:
        say(f"{key}:")
        for line in lines:
            say(f"    {line}")
    else:
        say(f"{key}: {lines[0]}")


@app.command("fmt")
def fmt_command(
    files: Files,
    *,
    check_only: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if a file is not formatted.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Change nothing; show what would change.")] = False,
) -> None:
    """Format rules files: conditions laid out, one empty line between items. Never changes what they mean."""
    from agent.language.yaml_reader import YamlError
    from controller.rules.fmt import FormatError, format_rules
    from controller.rules.rewrite import difference, replace

    changed, failed = 0, 0
    for path in [path for given in files for path in expand(given)]:
        before = read_files([path])[0].content
        try:
            after = format_rules(before)
        except (YamlError, FormatError) as error:
            failed += 1
            place = f":{error.place.human()}" if isinstance(error, YamlError) else ""
            warn(f"{path}{place}: error: {error}; left alone")
            continue
        if after == before:
            continue
        changed += 1
        if diff:
            for line in difference(path, before, after):
                say(line)
        elif check_only:
            say(f"{path} is not formatted")
        else:
            replace(path, after)
            say(f"formatted {path}")
    if failed:
        raise typer.Exit(2)
    if changed and (check_only or diff):
        raise typer.Exit(1)


@app.command("diff")
def diff_command(
    before: Annotated[Path, typer.Argument(metavar="A", help="Rules file or folder.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="Rules file or folder.", show_default=False)],
    *,
    json: options.Json = False,
) -> None:
    """Compare two rulesets: by rule, macro, list and exception, with the rules that a change reaches."""
    import dataclasses

    from controller.rules.compare import compare

    changes = compare(_load([before]), _load([after]))
    if json:
        print_json([dataclasses.asdict(change) for change in changes])
        return
    show_changes(changes)


def show_changes(changes: list[Change]) -> None:
    """Show what changed, and which rules that reaches."""
    for change in changes:
        say(f"{change.how} {change.kind} {change.name}")
        for detail in change.details:
            say(f"    {detail.what}:")
            say(f"      - {_value(detail.before)}")
            say(f"      + {_value(detail.after)}")
        if change.reaches:
            say(f"    reaches {len(change.reaches)} rule(s): {', '.join(change.reaches)}")
    say(f"{len(changes)} difference(s)")


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "nothing"
    return "nothing" if value is None else str(value)


@app.command("test")
def run_tests(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATHS…",
            help="Files of cases (NAME_test.yaml), or folders with them.",
            show_default=False,
        ),
    ],
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every case.")] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Name the rules that no case fires.")] = False,
) -> None:
    """Run the test cases beside the rules: which rules fire on which event. Exit code 1 if one fails."""
    from controller.rules.cases import find_cases, read_cases
    from controller.rules.run_cases import Runner

    passed, failed = 0, 0
    runners: dict[tuple[Path, ...], Runner] = {}
    for path in find_cases(paths):
        found = read_cases(path)
        if found.rules not in runners:
            runners[found.rules] = Runner(_load(list(found.rules)))
        for case in found.cases:
            outcome = runners[found.rules].run(case)
            passed, failed = passed + outcome.passed, failed + (not outcome.passed)
            if verbose or not outcome.passed:
                say(f"{'ok    ' if outcome.passed else 'FAILED'} {case.place}: {case.name}")
            for problem in outcome.problems:
                say(f"         {problem}")
    if untested:
        for name in sorted({name for runner in runners.values() for name in runner.untested()}):
            say(f"no case fires: {name}")
    say(f"{passed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


@app.command("fields")
def fields_command(*, json: options.Json = False) -> None:
    """List every field: its type, where its value comes from, whether the kernel can compare it."""
    from agent.fields.catalogue import CATALOGUE

    rows = [
        {
            "name": info.name,
            "type": str(info.type),
            "argument": info.argument,
            "source": info.origin,
            "kernel": info.kernel,
            "deprecated": info.deprecated,
            "description": info.description,
        }
        for info in CATALOGUE.fields()
    ]
    if json:
        print_json(rows)
        return
    shown = [
        (r["name"], r["type"], r["argument"], r["source"], "yes" if r["kernel"] else "-", r["description"])
        for r in rows
    ]
    table(("field", "type", "argument", "source", "kernel", "description"), shown)
