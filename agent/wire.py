"""Frames between controller and host: a JSON object and, beside it, raw bytes.

A frame is two big-endian 32-bit lengths, the JSON text (UTF-8), and the blob:

    | u32 json length | u32 blob length | json | blob |

Pure: bytes in, messages out. docs/protocol.md lists the messages.
"""

from __future__ import annotations

import json
import struct
from typing import Any

PROTOCOL = 1
"""Version of the messages, exchanged in ``hello``."""
MAX_JSON = 16 * 1024 * 1024
"""Largest JSON part accepted, in bytes."""
MAX_BLOB = 256 * 1024 * 1024
"""Largest blob accepted, in bytes."""

_HEADER = struct.Struct(">II")

Message = dict[str, Any]


class Refused(Exception):  # noqa: N818 - the answer's own word
    """A request is answered with ``ok: false``: raised by whoever handles the verb.

    ``code`` is for programs, the message for people, ``details`` (JSON) for both.
    """

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class WireError(ValueError):
    """The other end does not speak this protocol: a frame is too large or is not a JSON object."""


def encode(message: Message, blob: bytes = b"") -> bytes:
    """Return the frame for ``message`` and ``blob``. Raises WireError if either is too large."""
    text = json.dumps(message, separators=(",", ":")).encode()
    _check(len(text), len(blob))
    return _HEADER.pack(len(text), len(blob)) + text + blob


class Decoder:
    """Collects bytes as they arrive and gives back whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Message, bytes]]:
        """Add ``data``; return the frames that are now complete. Raises WireError."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> tuple[Message, bytes] | None:
        if len(self._buffer) < _HEADER.size:
            return None
        json_size, blob_size = _HEADER.unpack_from(self._buffer)
        _check(json_size, blob_size)
        start, end = _HEADER.size, _HEADER.size + json_size + blob_size
        if len(self._buffer) < end:
            return None
        text = bytes(self._buffer[start : start + json_size])
        blob = bytes(self._buffer[start + json_size : end])
        del self._buffer[:end]
        return _parse(text), blob


def _check(json_size: int, blob_size: int) -> None:
    if json_size > MAX_JSON or blob_size > MAX_BLOB:
        raise WireError(f"frame of {json_size} + {blob_size} bytes is over the limit: not a tercel peer?")


def _parse(text: bytes) -> Message:
    try:
        message = json.loads(text)
    except ValueError as error:
        raise WireError(f"frame is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("frame is not a JSON object")
    return message
