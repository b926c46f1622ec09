"""``--enable-source`` and ``--disable-source``: which of the event sources that there are take part."""

from __future__ import annotations

from collections.abc import Collection

LOADED = frozenset({"syscall"})
"""The sources of this agent."""


def enabled_sources(
    loaded: Collection[str], enable: Collection[str], disable: Collection[str]
) -> frozenset[str]:
    """Return the sources that take part. Raises ValueError if that makes no sense, or none is left."""
    if enable and disable:
        raise ValueError("--enable-source and --disable-source exclude each other")
    unknown = sorted({*enable, *disable} - set(loaded))
    if unknown:
        raise ValueError(
            f"unknown event source {', '.join(unknown)}: there is {', '.join(sorted(loaded)) or 'none'}"
        )
    left = frozenset(enable or loaded) - set(disable)
    if not left:
        raise ValueError("no event source is enabled: nothing would be detected")
    return left
