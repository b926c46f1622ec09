"""Which releases a host takes: signed by a key that it trusts, not expired, not older than what it had.

``/etc/tercel/trusted_keys`` has one key a line (64 hex digits); `tercel host install` writes it. A host
without that file takes any release, and says so in ``status``. ``/var/lib/tercel/counters`` has the number of
the newest release that each key brought into use here: an older one needs the key's word, which counts
only as long as nothing newer came.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from agent import durable
from agent.ed25519 import verify
from agent.paths import Paths
from agent.release import Manifest, Signature, older_text, signed_text

_KEY = re.compile(r"[0-9a-f]{64}")
ANY = "any"


class TrustError(ValueError):
    """The release is not taken."""


class TooOldError(TrustError):
    """A newer release of the same key was in use here; ``counter`` is its number."""

    def __init__(self, number: int, counter: int) -> None:
        super().__init__(f"release {number} is older than {counter}, which was in use here")
        self.counter = counter


class Trust:
    """The keys and counters of this host."""

    def __init__(self, paths: Paths) -> None:
        self._keys_file, self._counters_file = paths.trusted_keys, paths.counters

    def describe(self) -> str:
        """Return what is taken, for ``status``: ``any``, or the beginnings of the keys."""
        keys = self._keys()
        return ANY if keys is None else ", ".join(sorted(key[:12] for key in keys)) or "none"

    def check(self, manifest: Manifest, signature: Signature | None) -> None:
        """Return if the release may be used here. Raises TrustError."""
        if manifest.expires is not None and manifest.expires < _now():
            raise TrustError(f"release {manifest.id} expired on {manifest.expires}")
        keys = self._keys()
        if keys is None:
            return
        if signature is None:
            raise TrustError(f"release {manifest.id} is not signed, and this host wants that")
        if signature.key not in keys:
            raise TrustError(
                f"release {manifest.id} is signed by {signature.key[:12]}, which is not trusted here"
            )
        if not _holds(signature, signed_text(manifest.to_json())):
            raise TrustError(f"the signature of release {manifest.id} is wrong: it was tampered with")

    def check_age(self, manifest: Manifest, signature: Signature | None, word: Signature | None) -> None:
        """Return if the release is not older than the newest, or its key allows it. Raises TooOldError."""
        if signature is None or self._keys() is None:
            return
        counter = self._counters().get(signature.key, 0)
        if manifest.number >= counter:
            return
        allowed = word is not None and word.key == signature.key
        if not (allowed and word is not None and _holds(word, older_text(manifest.id, counter))):
            raise TooOldError(manifest.number, counter)

    def remember(self, manifest: Manifest, signature: Signature | None) -> None:
        """Write down that the release is in use. Raises OSError."""
        if signature is None:
            return
        counters = self._counters()
        if manifest.number > counters.get(signature.key, 0):
            counters[signature.key] = manifest.number
            durable.write(self._counters_file, json.dumps(counters, sort_keys=True).encode())

    def _keys(self) -> frozenset[str] | None:
        lines = _lines(self._keys_file)
        return None if lines is None else frozenset(line for line in lines if _KEY.fullmatch(line))

    def _counters(self) -> dict[str, int]:
        try:
            value = json.loads(self._counters_file.read_bytes())
            return {str(key): int(number) for key, number in value.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError):
            raise TrustError(
                f"{self._counters_file} is damaged: restore it, or remove it to begin anew"
            ) from None


def _lines(path: Path) -> list[str] | None:
    try:
        return [line.strip() for line in path.read_text().splitlines()]
    except FileNotFoundError:
        return None


def _holds(signature: Signature, text: bytes) -> bool:
    return verify(bytes.fromhex(signature.key), text, bytes.fromhex(signature.value))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
