"""Writing to the caller's terminal, never with control characters that came from elsewhere."""

from __future__ import annotations

import sys

from agent.daemon.log import escaped


def say(text: str) -> None:
    """Print ``text`` and a newline to stdout."""
    sys.stdout.write(escaped(text) + "\n")


def complain(text: str) -> int:
    """Print what went wrong to stderr; return the exit code for it."""
    sys.stderr.write(f"tercel-agent: {escaped(text)}\n")
    return 1
