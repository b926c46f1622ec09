"""The daemon's side of the compiling child: what it asks for, and the descriptors it gets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.kernel import build
from agent.kernel.errors import CaptureError, KernelError, VerifierError
from agent.kernel.program import Settings

_KINDS = {"KernelError": KernelError, "CaptureError": CaptureError}
_PATIENCE = 120.0
"""Seconds that a compilation may take, at most."""


@dataclass
class Generation:
    """One attached set of programs. Closing it detaches them."""

    number: int
    mode: str
    """``typed`` or ``untyped``: how the programs read the kernel."""
    refusal: str
    """Why it is not typed."""
    links: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    """The programs that the tracepoints call."""
    held: list[int] = field(default_factory=list)
    """Everything else that must stay open."""

    def close(self) -> None:
        """Detach."""
        for fd in (*self.links, *self.entries, *self.held):
            os.close(fd)
        self.links, self.entries, self.held = [], [], []


def load(settings: Settings, shared: dict[str, int], *, base: bool) -> Generation:
    """Compile and attach in a child. ``base``: with the programs that know the processes.

    Raises CaptureError; then nothing is attached.
    """
    parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with parent:
        for end in (parent, child):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with child:
            process = _start(child)
        request = asdict(settings)
        request["event_types"] = sorted(settings.event_types)
        build.send(parent, {"settings": request, "base": base}, [shared[name] for name in build.SHARED])
        parent.settimeout(_PATIENCE)
        try:
            answer, fds = build.receive(parent)
        except (EOFError, socket.timeout):
            process.kill()
            raise CaptureError(
                f"the compiling child ended with code {process.wait()} and no answer"
            ) from None
        finally:
            process.wait()
    if not answer["ok"]:
        raise _error(answer)
    links, fds = fds[: answer["links"]], fds[answer["links"] :]
    entries, held = fds[: answer["entries"]], fds[answer["entries"] :]
    return Generation(settings.generation, answer["mode"], answer["refusal"], links, entries, held)


def _start(child: socket.socket) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])}
    command = [sys.executable, "-m", "agent.kernel.build", str(child.fileno())]
    return subprocess.Popen(command, pass_fds=[child.fileno()], env=environment, stdin=subprocess.DEVNULL)


def _error(answer: dict[str, Any]) -> CaptureError:
    if answer["kind"] == "VerifierError":
        return VerifierError(answer["error"], answer["log"])
    return _KINDS.get(answer["kind"], CaptureError)(answer["error"])
