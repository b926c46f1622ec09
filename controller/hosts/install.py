"""Putting the agent on a host: upload the archive, let the agent's own installer do the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.bundle import bundle
from controller.errors import CommandError
from controller.hosts.check import find_python
from controller.text import printable

if TYPE_CHECKING:
    from controller.ssh import Session

INSTALL_SECONDS = 300.0

# Unpacks the archive on standard input into a folder that only root can enter, and runs the installer there.
_BOOTSTRAP = """\
import io, os, subprocess, sys, tarfile, tempfile
os.umask(0o077)
with tempfile.TemporaryDirectory(prefix="tercel-install-") as folder:
    with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()), mode="r:gz") as archive:
        archive.extractall(folder)
    os.umask(0o022)
    sys.exit(subprocess.call([sys.executable, "-E", "-s", "-m", "agent.install", folder], cwd=folder))
"""


@dataclass(frozen=True)
class Installed:
    """What the installer did."""

    changed: bool
    version: str
    notes: tuple[str, ...]
    """What it did, or what the operator should know."""


def install(session: Session) -> Installed:
    """Install the agent of this controller. Raises CommandError with the installer's reason."""
    archive = bundle().archive
    result = session.run(find_python(session.host, "-I", "-c", _BOOTSTRAP), archive, seconds=INSTALL_SECONDS)
    if result.code != 0:
        said = printable(result.stderr.decode(errors="replace").strip(), newlines=True)
        raise CommandError(session.host.name, f"the installer failed: {said or f'exit code {result.code}'}")
    try:
        answer = json.loads(result.stdout.splitlines()[-1])
        notes = tuple(str(note) for note in answer["notes"])
        return Installed(bool(answer["changed"]), str(answer["version"]), notes)
    except (ValueError, LookupError, TypeError):
        raise CommandError(
            session.host.name, f"the installer's answer cannot be read: {result.stdout[-80:]!r}"
        ) from None
