"""The table of verbs that a link answers. A room with verbs of its own is joined here."""

from __future__ import annotations

import os
import signal
import sys

from agent.link.host import Host
from agent.link.releases import Releases
from agent.link.session import Handler, Session
from agent.link.stream import AlertStream
from agent.paths import Paths
from agent.wire import WireError


def table(paths: Paths, session: Session) -> dict[str, Handler]:
    """Return every verb with its handler."""
    stream = AlertStream(paths.spool, session.send, session.over)
    return {**Host(paths).handlers(), **Releases(paths).handlers(), **stream.handlers()}


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
