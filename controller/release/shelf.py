"""The releases folder: each release's files under its id, never changed once written."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from agent import release as wire
from controller.errors import HomeError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Contents:
    """Everything of a release. ``configs``: sha256 to text."""

    manifest: wire.Manifest
    files: Mapping[str, bytes]
    """Rules and playbooks, by their path in the release."""
    configs: Mapping[str, bytes]
    signature: wire.Signature

    def archive(self, config: str) -> bytes:
        """Return what goes to a host whose configuration has this sha256."""
        return _pack(self, config)

    def digest(self, config: str) -> str:
        """Return the engine digest that a host with this configuration must report."""
        return wire.engine_digest(
            [self.files[file.path] for file in self.manifest.rules], self.configs[config]
        )

    def __hash__(self) -> int:
        return hash(self.manifest.id)


@lru_cache(maxsize=256)
def _pack(contents: Contents, config: str) -> bytes:
    own = {wire.CONFIG: contents.configs[config], wire.SIGNATURE: contents.signature.to_bytes()}
    return wire.pack(contents.manifest, {**contents.files, **own})


class Shelf:
    """Reads and writes ``releases/<id>/``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, contents: Contents) -> None:
        """Write a release: whole or not at all."""
        target = self._folder / contents.manifest.id
        if target.exists():
            return
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as folder:
            new = Path(folder) / "release"
            texts = {f"configs/{digest}.yaml": text for digest, text in contents.configs.items()}
            about = {
                wire.MANIFEST: contents.manifest.to_json(),
                wire.SIGNATURE: contents.signature.to_bytes(),
            }
            for path, content in {**contents.files, **texts, **about}.items():
                _write(new / path, content)
            new.rename(target)
        _sync(self._folder)

    def get(self, release: str) -> Contents:
        """Read a release and check it against its manifest. Raises HomeError if it was changed or is gone."""
        folder = self._folder / release
        try:
            manifest = wire.Manifest.from_json((folder / wire.MANIFEST).read_bytes())
            files = {
                file.path: (folder / file.path).read_bytes()
                for file in (*manifest.rules, *manifest.playbooks)
            }
            configs = {
                digest: (folder / f"configs/{digest}.yaml").read_bytes() for digest in manifest.configs
            }
            signature = wire.Signature.from_bytes((folder / wire.SIGNATURE).read_bytes())
        except OSError as error:
            raise HomeError(f"release {release} cannot be read: {error}") from None
        except wire.ReleaseError as error:
            raise HomeError(f"release {release} in {folder} was damaged: {error}") from None
        contents = Contents(manifest, files, configs, signature)
        if manifest.id != release or not _is_whole(contents):
            raise HomeError(f"release {release} in {folder} was changed after it was built: build a new one")
        return contents


def _is_whole(contents: Contents) -> bool:
    files = (*contents.manifest.rules, *contents.manifest.playbooks)
    return all(wire.sha256(contents.files[file.path]) == file.sha256 for file in files) and all(
        wire.sha256(text) == digest for digest, text in contents.configs.items()
    )


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
