"""A release: the ruleset, the configuration and the response policy that a host runs together.

Pure: bytes in, bytes out. The controller packs an archive for a host, the host verifies
and unpacks it, and both compute the same engine digest from what was really loaded.

An archive is a gzip'd tar of

    manifest.json      what this release consists of, the same for every host
    falco.yaml         the configuration rendered for this host, one of ``manifest.configs``
    rules/…            rules files in load order, as named in the manifest
    playbooks/…        playbooks in load order
    manifest.sig       who vouches for the manifest, and so for everything: a key and its signature

The id is ``<number>-<first 12 hex digits of the manifest's sha256>``: a name for people
that cannot name two things.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
MANIFEST = "manifest.json"
CONFIG = "falco.yaml"
SIGNATURE = "manifest.sig"
MAX_FILE = 16 * 1024 * 1024
"""Largest single file in a release, in bytes."""
MAX_RELEASE = 64 * 1024 * 1024
"""Largest release unpacked, in bytes."""

_SIGNATURE = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{128})\n")
_PATH = re.compile(r"(?:rules|playbooks)/[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml")


class ReleaseError(ValueError):
    """The archive is not what its manifest says, or is no release at all."""


@dataclass(frozen=True)
class ReleaseFile:
    """A file of the release: path inside it and sha256 of its content, in hex."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a release consists of. Two manifests with the same id are the same."""

    number: int
    """Grows with every release that a controller builds, from 1."""
    created: str
    """UTC, ISO 8601."""
    description: str
    rules: tuple[ReleaseFile, ...]
    """In load order."""
    playbooks: tuple[ReleaseFile, ...]
    configs: tuple[str, ...]
    """sha256 (hex) of every configuration rendered for this release, sorted."""
    expires: str | None = None
    """UTC, ISO 8601, as ``created``; ``None`` for never. Hosts do not take it after that."""
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the canonical text: the bytes that the id and the signature are made from."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode() + b"\n"

    @property
    def id(self) -> str:
        """Name of the release: number and content digest."""
        return f"{self.number}-{sha256(self.to_json())[:12]}"

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Read a manifest. Raises ReleaseError if it is malformed."""
        try:
            value = json.loads(text)
            if value["format"] != FORMAT:
                raise ReleaseError(f"release format {value['format']!r} is unknown here: upgrade the agent")
            manifest = cls(
                number=int(value["number"]),
                created=str(value["created"]),
                description=str(value["description"]),
                rules=_files(value["rules"]),
                playbooks=_files(value["playbooks"]),
                configs=tuple(str(digest) for digest in value["configs"]),
                expires=None if value["expires"] is None else str(value["expires"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ReleaseError):
                raise
            raise ReleaseError(f"manifest is malformed: {error!r}") from None
        if manifest.to_json() != text:
            raise ReleaseError("manifest is not in canonical form")
        return manifest


def _files(value: Iterable[Mapping[str, str]]) -> tuple[ReleaseFile, ...]:
    files = tuple(ReleaseFile(str(item["path"]), str(item["sha256"])) for item in value)
    for file in files:
        if not _PATH.fullmatch(file.path):
            raise ReleaseError(f"{file.path!r} is no path of a release file")
    return files


def sha256(content: bytes) -> str:
    """Digest of a file's content, in hex."""
    return digest.sha256(content).hex()


def engine_digest(rules: Iterable[bytes], config: bytes) -> str:
    """Digest of what an engine loaded: the rules texts in load order and the configuration, in hex.

    The agent computes it from the bytes that it compiled, the controller from the
    release; only if they agree does the host run the release.
    """
    parts = [sha256(text) for text in rules]
    return sha256("\n".join([*parts, "config", sha256(config)]).encode())


@dataclass(frozen=True)
class Signature:
    """A signature and the Ed25519 key that made it, both in hex."""

    key: str
    value: str

    def to_bytes(self) -> bytes:
        """Return the text of ``manifest.sig``."""
        return f"{self.key} {self.value}\n".encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> Signature:
        """Read a signature. Raises ReleaseError if it is malformed."""
        match = _SIGNATURE.fullmatch(text)
        if match is None:
            raise ReleaseError("the signature is malformed")
        return cls(match[1].decode(), match[2].decode())


def signed_text(manifest: bytes) -> bytes:
    """Return the bytes that a release's signature is made over."""
    return b"tercel release\n" + manifest


def older_text(release: str, counter: int) -> bytes:
    """Return the bytes of a key's word that ``release`` may be used where number ``counter`` was."""
    return f"tercel older release\n{release}\n{counter}\n".encode()


def pack(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Return the archive: the manifest, and ``files`` by their path in the release.

    The same input gives the same bytes. Raises ReleaseError if the files are not those
    of the manifest.
    """
    _verify(manifest, files)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in [(MANIFEST, manifest.to_json()), *sorted(files.items())]:
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def unpack(archive: bytes) -> tuple[Manifest, dict[str, bytes]]:
    """Verify an archive and return its manifest and its files by path. Raises ReleaseError."""
    files = _read(archive)
    text = files.pop(MANIFEST, None)
    if text is None:
        raise ReleaseError(f"archive has no {MANIFEST}")
    manifest = Manifest.from_json(text)
    _verify(manifest, files)
    return manifest, files


def _inflate(archive: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    content = inflater.decompress(archive, MAX_RELEASE)
    if not inflater.eof:
        raise ReleaseError("archive is cut short or too large")
    return content


def _read(archive: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflate(archive)), mode="r:") as tar:
            for member in tar:
                total += member.size
                if not member.isreg() or member.name in files:
                    raise ReleaseError(f"archive has an unexpected entry {member.name!r}")
                if member.size > MAX_FILE or total > MAX_RELEASE:
                    raise ReleaseError(f"archive is too large at {member.name!r}")
                if (content := tar.extractfile(member)) is not None:
                    files[member.name] = content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        if isinstance(error, ReleaseError):
            raise
        raise ReleaseError(f"archive cannot be read: {error}") from None
    return files


def _verify(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    expected = {file.path: file.sha256 for file in (*manifest.rules, *manifest.playbooks)}
    if unknown := sorted(set(files) - set(expected) - {CONFIG, SIGNATURE}):
        raise ReleaseError(f"archive has files that the manifest does not name: {', '.join(unknown)}")
    for path, wanted in expected.items():
        if path not in files:
            raise ReleaseError(f"archive lacks {path}")
        if sha256(files[path]) != wanted:
            raise ReleaseError(f"{path} is not what the manifest says")
    if CONFIG not in files:
        raise ReleaseError(f"archive lacks {CONFIG}")
    if sha256(files[CONFIG]) not in manifest.configs:
        raise ReleaseError(f"{CONFIG} is not one that was rendered for this release")
