"""The archive that puts the agent on a host: the agent, its responders, and what they import.

A gzip'd tar of

    VERSION         name of this build: the agent's version and a digest of everything below
    agent/…  responders/…
    vendor/…        lark, PyYAML, requests and what they need, pure Python only, with their licences

The same files give the same bytes. docs/protocol.md says how it is used.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import agent
import responders
from controller.errors import TercelError

VENDORED = ("lark", "PyYAML", "requests")
"""What the agent may import beside the standard library and the distribution's bcc."""
VERSION = "VERSION"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_LEFT_OUT = {"__pycache__", "__pyinstaller"}


@dataclass(frozen=True)
class Bundle:
    """The archive and the version that it installs."""

    version: str
    archive: bytes


@cache
def bundle() -> Bundle:
    """Pack the agent from this environment. Raises TercelError if a part is missing."""
    files = {**_package(agent.__file__), **_package(responders.__file__), **_vendor()}
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    version = f"{agent.__version__}-{digest.hexdigest()[:12]}"
    return Bundle(version, _pack({VERSION: f"{version}\n".encode(), **files}))


def vendored() -> list[Distribution]:
    """Return the distributions that go along: those named, and what they require, in order of name."""
    found: dict[str, Distribution] = {}
    wanted = list(VENDORED)
    while wanted:
        name = wanted.pop()
        try:
            one = distribution(name)
        except PackageNotFoundError:
            raise TercelError(
                f"cannot pack the agent: {name} is not installed here; install tercel anew"
            ) from None
        if one.name.lower() in found:
            continue
        found[one.name.lower()] = one
        needed = [_NAME.match(text) for text in one.requires or [] if "extra" not in text]
        wanted += [match[0] for match in needed if match]
    return [found[name] for name in sorted(found)]


def _package(init: str | None) -> dict[str, bytes]:
    folder = Path(str(init)).parent
    return {
        str(Path(folder.name) / path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def _vendor() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for one in vendored():
        for path in one.files or []:
            if _goes_along(Path(path)):
                files[f"vendor/{path}"] = Path(str(one.locate_file(path))).read_bytes()
    return files


def _goes_along(path: Path) -> bool:
    if path.is_absolute() or ".." in path.parts or _LEFT_OUT & set(path.parts) or len(path.parts) < 2:
        return False
    if path.parts[0].endswith(".dist-info"):
        return "licenses" in path.parts or path.name.startswith(("LICENSE", "NOTICE"))
    # No certificates: a host trusts those of its own system, which are kept up to date.
    return path.suffix in {".py", ".lark"}


def _pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
