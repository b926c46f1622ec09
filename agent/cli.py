"""``tercel-agent``: what an operator and the controller call on a host.

Without a command the options are those of ``run``, as Falco's are: ``tercel-agent -c falco.yaml``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import agent
from agent.paths import Paths

_OWN_OPTIONS = frozenset({"-h", "--help", "--version"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit code: 0 ok, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0].startswith("-") and given[0] not in _OWN_OPTIONS:
        given = ["run", *given]
    options = _parser().parse_args(given)
    return int(options.command(options, Paths.of_environment()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tercel-agent",
        description="Runtime security on this host: captures system calls, evaluates rules, raises alerts.",
        epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"tercel-agent {agent.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = _command(commands, "run", "detect in the foreground; stop with Ctrl-C or SIGTERM", _run)
    _add_run_options(run)
    _add_falco_options(run)
    start = _command(
        commands, "start", "start the daemon in the background, by systemd where that has the unit", _start
    )
    _add_run_options(start)
    _command(commands, "stop", "stop the daemon; it delivers what it has matched first", _stop)
    _command(commands, "reload", "have the daemon load its configuration and rules again", _reload)
    status = _command(commands, "status", "show what the daemon runs and what became of its alerts", _status)
    status.add_argument("--json", action="store_true", help="as one JSON object")
    _command(
        commands, "link", "speak with the controller on stdin and stdout (the controller calls this)", _link
    )
    _command(commands, "version", "print the version", _version)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, command: object
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=command)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        dest="config",
        metavar="FILE",
        type=Path,
        help="configuration, Falco's falco.yaml; without it the release that the controller sent last is run",
    )
    parser.add_argument(
        "-o",
        dest="options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set a key of the configuration, such as json_output=true or rules_files[]=extra.yaml",
    )
    parser.add_argument(
        "-r",
        dest="rules",
        metavar="PATH",
        action="append",
        default=[],
        help="rules file or folder, instead of rules_files",
    )
    parser.add_argument(
        "--own-pid-namespace",
        action="store_true",
        help="see only processes of this pid namespace, so that several agents can share a kernel",
    )


def _add_falco_options(parser: argparse.ArgumentParser) -> None:
    for what in ("enable", "disable"):
        parser.add_argument(
            f"--{what}-source",
            dest=what,
            metavar="SOURCE",
            action="append",
            default=[],
            help=f"{what} an event source",
        )
    parser.add_argument("--dry-run", action="store_true", help="load everything, capture nothing, and end")
    parser.add_argument("-V", dest="validate", metavar="PATH", action="append", help="validate rules and end")
    parser.add_argument("-L", dest="list_rules", action="store_true", help="list the rules and end")
    parser.add_argument("-l", dest="list_rule", metavar="RULE", help="show one rule and end")
    parser.add_argument("--list", dest="list_fields", action="store_true", help="list the fields and end")


def _run(options: argparse.Namespace, paths: Paths) -> int:
    from agent.config.sources import LOADED, enabled_sources  # modules of the daemon, only where it is to run
    from agent.daemon import describe, log, start, terminal

    log.begin()
    try:
        enabled_sources(LOADED, options.enable, options.disable)
    except ValueError as error:
        return terminal.complain(str(error))
    if options.list_fields:
        return describe.fields()
    if options.validate:
        return describe.validate(start.source(options, paths, rules=options.validate))
    if options.list_rules or options.list_rule:
        return describe.rules(start.source(options, paths), options.list_rule)
    if options.dry_run:
        return describe.dry_run(start.source(options, paths))
    return start.foreground(options, paths)


def _start(options: argparse.Namespace, paths: Paths) -> int:
    from agent.daemon import start  # as above

    return start.background(options, paths)


def _stop(_options: argparse.Namespace, paths: Paths) -> int:
    from agent.daemon import start  # as above

    return start.stop(paths)


def _reload(_options: argparse.Namespace, paths: Paths) -> int:
    from agent.daemon import ask  # as above

    return ask.reload(paths)


def _status(options: argparse.Namespace, paths: Paths) -> int:
    from agent.daemon import ask  # as above

    return ask.status(paths, as_json=options.json)


def _link(_options: argparse.Namespace, paths: Paths) -> int:
    from agent.link.verbs import serve  # only the link needs it

    return serve(paths)


def _version(_options: argparse.Namespace, _paths: Paths) -> int:
    sys.stdout.write(f"tercel-agent {agent.__version__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
