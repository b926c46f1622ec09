"""Which container a control group belongs to.

A name that merely looks like a hash is not enough: the path must have the shape that a known
runtime gives it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_ID = rb"([0-9a-f]{64})"
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (runtime, re.compile(pattern))
    for runtime, pattern in (
        ("docker", rb"(?:^|/)docker(?:-ce)?/" + _ID + rb"(?:/|$)"),
        ("docker", rb"(?:^|/)docker-" + _ID + rb"\.scope(?:/|$)"),
        ("podman", rb"(?:^|/)libpod-" + _ID + rb"(?:\.scope)?(?:/|$)"),
        ("cri-o", rb"(?:^|/)crio-" + _ID + rb"(?:\.scope)?(?:/|$)"),
        ("containerd", rb"(?:^|/)cri-containerd-" + _ID + rb"\.scope(?:/|$)"),
        ("containerd", rb"(?:^|[/:])cri-containerd:" + _ID + rb"(?:/|$)"),
        ("containerd", rb"(?:^|/)kubepods[^/]*(?:/[^/]+){0,2}/" + _ID + rb"(?:/|$)"),
        ("containerd", rb"(?:^|/)nerdctl-" + _ID + rb"\.scope(?:/|$)"),
    )
)


class Container(NamedTuple):
    """A container, as far as its control group tells."""

    id: str
    """Full id, 64 hexadecimal digits."""
    runtime: str

    @property
    def short(self) -> str:
        """First 12 digits of the id, as people know it."""
        return self.id[:12]


@lru_cache(maxsize=4096)
def container_of(path: bytes) -> Container | None:
    """Return the container that a control group's path belongs to, or None for the host."""
    for runtime, pattern in _SHAPES:
        found = pattern.search(path)
        if found:
            return Container(found.group(1).decode(), runtime)
    return None


class Containers:
    """What is known of the containers on this host."""

    def identify(self, cgroups: tuple[bytes, ...]) -> Container | None:
        """Return the container that one of a task's control groups belongs to, or None."""
        for path in cgroups:
            found = container_of(path)
            if found:
                return found
        return None
