"""The verbs of docs/protocol.md that this room answers: ``action.run``, ``action.get``, ``action.undo``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from agent.respond import policy
from agent.respond.journal import Journal
from agent.respond.protected import own_processes
from agent.respond.request import Request, check_key
from agent.respond.runner import Host, Runner
from responders.system import Linux

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVIDENCE = "evidence"
"""Folder beside the journal's."""
Json = dict[str, Any]


def runner(respond: Path, etc: Path, pid_file: Path) -> Runner:
    """Return the runner of this host. Raises JournalError.

    ``respond``: folder of the journal. ``etc``: folder of the operator's policy. ``pid_file``: the daemon's.
    """
    host = Host(
        system=Linux(),
        policy=lambda: policy.load(etc / policy.FILE),
        own=lambda: own_processes(pid_file),
        evidence=respond.parent / EVIDENCE,
    )
    return Runner(Journal(respond), host)


def verbs(runner: Runner) -> Mapping[str, Callable[[Json], Json]]:
    """Return the verbs by name. Each takes the request and gives the answer's own keys.

    A verb may take as long as its responder does; call it in a thread. Raises RequestError,
    JournalError, or Failed if an undo cannot be done now.
    """
    return {
        "action.run": lambda message: runner.run(Request.parse(message.get("action"))),
        "action.get": lambda message: runner.get(check_key(message.get("key"))),
        "action.undo": lambda message: _undo(runner, message),
    }


def _undo(runner: Runner, message: Json) -> Json:
    why = message.get("why")
    return runner.undo(check_key(message.get("key")), why[:500] if isinstance(why, str) else "asked for")
