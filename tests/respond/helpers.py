"""What the tests of this room share."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from agent.respond.request import Request
from responders.system import Process

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
