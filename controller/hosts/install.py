"""Putting the agent on a host: upload the archive, let the agent's own installer do the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from controller.bundle import bundle
from controller.errors import CommandError
from controller.hosts.check import find_python, run_python
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


# Adds a key to the host's trusted ones, durably.
_TRUST = """\
import json, os
from pathlib import Path
file, key = Path(os.environ.get("TERCEL_ROOT") or "/") / "etc/tercel/trusted_keys", {key!r}
keys = file.read_text().split() if file.exists() else []
if key not in keys:
    new = file.with_suffix(".new")
    with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
        out.write("".join(each + "\\n" for each in [*keys, key]))
        out.flush()
        os.fsync(out.fileno())
    new.rename(file)
print(json.dumps({{"added": key not in keys, "others": [each[:12] for each in keys if each != key]}}))
"""


def install(session: Session, key: str) -> Installed:
    """Install the agent of this controller, and have the host trust releases signed by ``key`` (hex).

    Raises CommandError with the installer's reason.
    """
    done = _run_installer(session)
    trust = run_python(session, _TRUST.format(key=key).encode())
    notes = list(done.notes)
    if trust["added"]:
        notes.append(f"trusts releases signed by {key[:12]}")
    if trust["others"]:
        notes.append(f"trusts other keys as well: {', '.join(map(str, trust['others']))}")
    return Installed(done.changed or bool(trust["added"]), done.version, tuple(notes))


def _run_installer(session: Session) -> Installed:
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
