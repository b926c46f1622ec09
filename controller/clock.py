"""Time, as everything here writes it: nanoseconds since 1970, UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from controller.errors import InputError

_SPAN = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def now_ns() -> int:
    """Wall-clock time in nanoseconds since 1970."""
    return time.time_ns()


def iso(ns: int) -> str:
    """Return ``2026-11-22T16:00:00.123Z`` for nanoseconds since 1970."""
    moment = datetime.fromtimestamp(ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // 10**6 % 1000:03d}Z"


def since(text: str) -> int:
    """Return the time that ``text`` names, in nanoseconds since 1970.

    ``text`` is a span back from now (``90s``, ``15m``, ``2h``, ``7d``) or an ISO 8601 time.
    Raises InputError.
    """
    if _SPAN.fullmatch(text):
        return now_ns() - span(text) * 10**9
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no time: write 15m, 2h, 7d or 2026-11-22T16:00:00") from None
    return int(moment.astimezone(UTC).timestamp() * 10**9)


def span(text: str) -> int:
    """Return the length of a span (``90s``, ``15m``, ``2h``, ``7d``) in seconds. Raises InputError."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no span of time: write 90s, 15m, 2h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def ago(ns: int | None) -> str:
    """Return how long ago a time was, for people: ``3s``, ``12m``, ``never`` for None."""
    if ns is None:
        return "never"
    seconds = max(0, (now_ns() - ns) // 10**9)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
