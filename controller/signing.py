"""The controller's signing key: Ed25519, made at its first use, kept in TERCEL_HOME for its owner only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.release import Signature, older_text, signed_text
from controller.errors import HomeError

if TYPE_CHECKING:
    from pathlib import Path

    from controller.home import Home


class Signer:
    """Signs releases with the key of a controller."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()
        """The key that hosts trust, in hex."""

    @classmethod
    def open(cls, home: Home) -> Signer:
        """Read the key of ``home``, made if there is none. Raises HomeError."""
        path = home.signing_key
        with home.lock("signing"):
            if not path.exists():
                _make(path)
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise HomeError(f"cannot use the signing key {path}: {error}") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise HomeError(f"the signing key {path} is no Ed25519 key")
        return cls(key)

    def sign(self, manifest: bytes) -> Signature:
        """Vouch for a release."""
        return self._signature(signed_text(manifest))

    def allow_older(self, release: str, counter: int) -> Signature:
        """Give the word that a release may be used on a host where release number ``counter`` was."""
        return self._signature(older_text(release, counter))

    def _signature(self, text: bytes) -> Signature:
        return Signature(self.public, self._key.sign(text).hex())


def _make(path: Path) -> None:
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.rename(path)
