"""SHA-256 without OpenSSL: the interpreter carries its own, and libcrypto costs the daemon 4 MB.

These are the modules that ``hashlib`` itself turns to where it has no OpenSSL.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any


def _found() -> Any:
    for module in ("_sha256", "_sha2", "hashlib"):  # Python 3.9 to 3.11, later ones, any
        with suppress(ImportError):
            return importlib.import_module(module).sha256
    raise ImportError("this Python has no SHA-256")


_sha256 = _found()


def sha256(content: bytes) -> bytes:
    """Return the digest of ``content``, 32 bytes."""
    return bytes(_sha256(content).digest())
