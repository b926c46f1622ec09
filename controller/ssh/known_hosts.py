"""Host keys that the operator trusts: OpenSSH's known_hosts files. Pure.

Format: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": patterns, negation, hashed names, ``@revoked``.
Lines marked ``@cert-authority`` are passed over: host certificates are not supported.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class KnownKey:
    """A line that is about the host. ``line`` counts from 1."""

    type: str
    blob: bytes
    revoked: bool
    file: str
    line: int

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"


def host_id(address: str, port: int) -> str:
    """Return the name under which OpenSSH files a host's key."""
    return address.lower() if port == 22 else f"[{address.lower()}]:{port}"


def lookup(text: str, name: str, file: str) -> list[KnownKey]:
    """Return the keys that the file's ``text`` has for ``name`` (as ``host_id`` gives it).

    Lines that are malformed are passed over, as OpenSSH does: they can only make a host unknown.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if marker not in {"", "@revoked"} or len(words) < 3 or not _matches(words[0], name):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        found.append(KnownKey(words[1], blob, marker == "@revoked", file, number))
    return found


def fingerprint(blob: bytes) -> str:
    """Return a key's fingerprint as ``ssh-keygen -l`` shows it."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|"):
        return _is_hash_of(patterns, name)
    matched = False
    for pattern in patterns.lower().split(","):
        if pattern.startswith("!") and _glob(name, pattern[1:]):
            return False
        matched = matched or _glob(name, pattern)
    return matched


def _glob(name: str, pattern: str) -> bool:
    # Brackets are part of the name here ("[host]:2222"), not a set as in fnmatch.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(field: str, name: str) -> bool:
    parts = field.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except binascii.Error:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
