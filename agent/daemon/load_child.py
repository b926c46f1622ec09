"""The process that loads a source for the daemon: a pickled source on stdin, the pickled result on stdout."""

from __future__ import annotations

import pickle
import sys

from agent.daemon.loading import LoadError, Prepared, prepare


def main() -> None:
    """Load, answer, end."""
    source = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - our own parent wrote it
    result: Prepared | LoadError
    try:
        result = prepare(source)
    except LoadError as error:
        result = error
    sys.stdout.buffer.write(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    main()
