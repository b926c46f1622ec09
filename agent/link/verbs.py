"""The table of verbs that a link answers. A room with verbs of its own is joined here."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from agent.link.host import Host
from agent.link.releases import Releases
from agent.link.session import Handler, Session
from agent.link.stream import AlertStream
from agent.paths import Paths
from agent.respond import verbs as respond
from agent.respond.expiry import Expiry
from agent.respond.journal import JournalError
from agent.respond.request import RequestError
from agent.wire import Message, Refused, WireError
from responders.shape import Failed


def table(paths: Paths, session: Session) -> dict[str, Handler]:
    """Return every verb with its handler."""
    stream = AlertStream(paths.spool, session.send, session.over)
    own = {**Host(paths).handlers(), **Releases(paths).handlers(), **stream.handlers()}
    return {**own, **_responding(paths, session.over)}


def _responding(paths: Paths, over: threading.Event) -> dict[str, Handler]:
    """Return the responders' verbs; a journal that cannot be used is their answer and stops nothing else.

    Times to live are kept as long as the link stands, as the daemon keeps them too.
    """
    names = ("action.run", "action.get", "action.undo")
    try:
        runner = respond.runner(paths.respond, paths.etc, paths.pid)
    except (JournalError, OSError) as error:
        reason = f"the journal of actions in {paths.respond} cannot be used: {error}"
        return dict.fromkeys(names, lambda _message, _blob: _refuse("journal_failed", reason))
    Expiry(runner, over).start()
    verbs = respond.verbs(runner)
    return {name: _answering(verbs[name]) for name in names}


def _answering(verb: Callable[[Message], Message]) -> Handler:
    def handler(message: Message, _blob: bytes) -> Message:
        try:
            return verb(message)
        except RequestError as error:
            return _refuse("bad_request", str(error))
        except JournalError as error:
            return _refuse("journal_failed", str(error))
        except Failed as error:
            return _refuse("undo_failed", str(error))

    return handler


def _refuse(code: str, text: str) -> Message:
    raise Refused(code, text)


def serve(paths: Paths) -> int:
    """Speak the protocol on stdin and stdout until end of file. Return the exit code.

    Whatever else writes to stdout goes to stderr: a stray line would break the frames.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    out_fd = os.dup(1)
    os.dup2(2, 1)
    session = Session(0, out_fd)
    try:
        session.run(table(paths, session))
    except WireError as error:
        print(f"tercel-agent link: {error}", file=sys.stderr)  # noqa: T201 - the caller's terminal
        return 1
    return 0
