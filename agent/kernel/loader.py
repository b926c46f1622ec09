"""The daemon's side of the compiling child: what it asks for, and the descriptors it gets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from agent.kernel import build
from agent.kernel.errors import CaptureError, KernelError, VerifierError
from agent.kernel.program import Settings

_KINDS = {"KernelError": KernelError, "CaptureError": CaptureError}
_PATIENCE = 120.0
"""Seconds that a compilation may take, at most."""
_ENDING = 2.0
"""Seconds that a child has to end by itself."""


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
    # The folder is ours, not the child's: a child that is killed leaves nothing behind.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory(prefix="tercel-headers-") as headers:
        answer, fds = _ask(settings, shared, {"base": base, "headers": headers}, said)
        if not answer["ok"]:
            raise _error(answer, _text(said))
    links, fds = fds[: answer["links"]], fds[answer["links"] :]
    entries, held = fds[: answer["entries"]], fds[answer["entries"] :]
    return Generation(settings.generation, answer["mode"], answer["refusal"], links, entries, held)


def _ask(
    settings: Settings, shared: dict[str, int], request: dict[str, Any], said: IO[bytes]
) -> tuple[dict[str, Any], list[int]]:
    wanted = {**asdict(settings), "event_types": sorted(settings.event_types)}
    parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with parent:
        with child, tempfile.TemporaryFile() as asked:
            asked.write(json.dumps({"settings": wanted, **request}).encode())
            asked.seek(0)
            process = _start(child, asked, said)
        parent.settimeout(_PATIENCE)
        try:
            build.send(parent, {}, [shared[name] for name in build.SHARED])
            return build.receive(parent)
        except (EOFError, OSError) as error:
            raise CaptureError(
                f"the compiling child ended with code {_end(process)} and no answer ({error!r}):{_text(said)}"
            ) from None
        finally:
            _end(process)


def _start(child: socket.socket, asked: IO[bytes], said: IO[bytes]) -> subprocess.Popen[bytes]:
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)])}
    command = [sys.executable, "-m", "agent.kernel.build", str(child.fileno())]
    return subprocess.Popen(
        command,
        pass_fds=[child.fileno()],
        env=environment,
        stdin=asked,
        stdout=subprocess.DEVNULL,
        stderr=said,
    )


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait for a child that gave no answer, not for ever; return its code."""
    try:
        return process.wait(_ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _text(said: IO[bytes]) -> str:
    said.seek(0)
    text = said.read()[-4000:].decode("utf-8", "replace").strip()
    return f"\n{text}" if text else ""


def _error(answer: dict[str, Any], said: str) -> CaptureError:
    if answer["kind"] == "VerifierError":
        return VerifierError(answer["error"], answer["log"])
    return _KINDS.get(answer["kind"], CaptureError)(answer["error"] + said)
