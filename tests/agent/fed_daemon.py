"""The real daemon, but for its events: they are lines of JSON in a named pipe.

``drops`` below the root holds the number of events lost so far; while ``refuse`` is there, no other event
types can be captured.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from agent.daemon import log
from agent.daemon.service import Service
from agent.daemon.sources import Source
from agent.event import Event, Subject
from agent.kernel.errors import CaptureError
from agent.paths import Paths

ROOT = Path(sys.argv[1])


class FedCapture:
    mode = "fed by a test"

    def __init__(self, event_types: frozenset[str], _filter: str, _own: object) -> None:
        self._types = event_types
        self._rest = b""
        self._fd = -1

    def start(self) -> None:
        self._refuse()
        self._fd = os.open(ROOT / "events", os.O_RDWR | os.O_NONBLOCK)

    def fileno(self) -> int:
        return self._fd

    def read(self, handle: Callable[[Event], None], limit: int | None = None) -> int:
        try:
            data = self._rest + os.read(self._fd, 65536)
        except BlockingIOError:
            return 0
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            event = json.loads(line)
            if event["type"] in self._types:
                fields = {key: value.encode() for key, value in event["fields"].items()}
                handle(Event(event["type"], fields, time_ns=1, subject=Subject(pid=7)))
        return len(lines)

    def reload(self, event_types: frozenset[str], _filter: str) -> None:
        self._refuse()
        self._types = event_types

    def _refuse(self) -> None:
        if (ROOT / "refuse").exists():
            raise CaptureError("refused by a test")

    def counters(self) -> SimpleNamespace:
        drops = ROOT / "drops"
        return SimpleNamespace(
            drops={"ring_full": int(drops.read_text()) if drops.exists() else 0, "truncated": 5}
        )

    def close(self) -> None:
        os.close(self._fd)


log.begin()
config = Path(sys.argv[2]) if len(sys.argv) > 2 else Path()
service = Service(
    Paths(ROOT),
    Source(config),
    by_release=len(sys.argv) < 3,
    new_capture=FedCapture,
)
sys.exit(service.run())
