"""Paths as text. Nothing here looks at the file system: links are not followed."""

from __future__ import annotations

NOT_AVAILABLE = b"<NA>"


def join(base: bytes | None, name: bytes) -> bytes:
    """Return ``name`` below ``base``, or below ``<NA>`` where the base is not known."""
    if base is None:
        return NOT_AVAILABLE + b"/" + name
    return base.rstrip(b"/") + b"/" + name


def normalise(path: bytes) -> bytes:
    """Return a path without ``.``, ``..`` and doubled slashes, by its text alone."""
    if b"/." not in path and b"//" not in path and not path.endswith(b"/"):
        return path
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            if parts:
                parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    start = b"/" if path.startswith(b"/") else b""
    return start + b"/".join(parts)


def split(path: bytes) -> tuple[bytes, bytes]:
    """Return the directory and the name of a file's path; the directory of ``/x`` is ``/``."""
    directory, slash, name = path.rpartition(b"/")
    return directory if directory or not slash else b"/", name
