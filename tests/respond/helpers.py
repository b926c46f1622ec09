"""What the tests of this room share."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from agent.respond.request import Request
from responders.system import Linux, Process

Json = dict[str, Any]
Spawn = Callable[..., "subprocess.Popen[bytes]"]
Kill = Callable[..., Json]
PYTHON = sys.executable


def subject_of(process: Process, ticks: int) -> Json:
    """The alert's subject, as the kernel side would have it; the start is somewhere inside its tick."""
    return {
        "pid": process.pid,
        "ns_pid": process.pid,
        "start_ns": process.start_ticks * 10**9 // ticks + 1234,
        "exe": process.exe,
        "exe_ino": process.exe_ino,
        "exe_dev": process.exe_dev,
    }


_numbers = itertools.count()


def kill_request(target: Json, key: str | None = None, **parameters: Any) -> Request:
    return Request(
        key=key or f"key-of-test-{next(_numbers)}",
        responder="kill_process",
        parameters=parameters,
        target=target,
        alert={"epoch": "e", "seq": 1, "rule": "Test"},
    )


def suspend_request(target: Json, key: str, **parameters: Any) -> Request:
    return Request(key, "suspend_process", parameters, target, {"epoch": "e", "seq": 1, "rule": "Test"})


def parent_and_child(spawn: Spawn) -> tuple[subprocess.Popen[bytes], int]:
    """Start a shell and a ``sleep`` below it; return when the ``sleep`` has been executed."""
    root = spawn("sh", "-c", "sleep 600 & echo $!; wait")
    assert root.stdout is not None
    child, deadline = int(root.stdout.readline()), time.monotonic() + 5
    while not _executed(child, root.pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    return root, child


def _executed(child: int, parent: int) -> bool:
    mine, theirs = Linux().facts(child), Linux().facts(parent)
    return mine is not None and theirs is not None and mine.exe_ino != theirs.exe_ino
