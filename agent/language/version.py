"""Version numbers of engine and plugins, and which requirement they satisfy."""

from __future__ import annotations

import re
from typing import NamedTuple

_SEMVER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")


class Version(NamedTuple):
    """``major.minor.patch``."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    def satisfies(self, required: Version) -> bool:
        """Whether this version will do where ``required`` is asked for: same major, not older."""
        return self.major == required.major and self >= required


def parse_version(text: str) -> Version | None:
    """Read ``text`` as a version; ``None`` if it is not ``x.y.z``."""
    if not _SEMVER.fullmatch(text):
        return None
    major, minor, patch = text.split(".")
    return Version(int(major), int(minor), int(patch))


NO_VERSION = Version(0, 0, 0)
