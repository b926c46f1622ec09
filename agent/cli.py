"""``tercel-agent``: what an operator and the controller call on a host."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import agent
from agent.paths import Paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Return its exit code: 0 ok, 1 failed, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tercel-agent", description=agent.__doc__)
    parser.add_argument("--version", action="version", version=f"tercel-agent {agent.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _command(commands, "link", _link, "speak with the controller on stdin and stdout")
    _command(commands, "version", _version, "print the version")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object, text: str
) -> None:
    commands.add_parser(name, help=text, description=text.capitalize() + ".").set_defaults(run=run)


def _link(_options: argparse.Namespace) -> int:
    from agent.link.verbs import serve  # only the link needs it

    return serve(Paths.of_environment())


def _version(_options: argparse.Namespace) -> int:
    sys.stdout.write(f"tercel-agent {agent.__version__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
