"""Version numbers of engine and plugins, and which requirement they satisfy."""

from __future__ import annotations

import re
from typing import NamedTuple

_SEMVER = re.compile(r"\s*\+?([0-9]{1,10})\.\s*\+?([0-9]{1,10})\.\s*\+?([0-9]{1,10})", re.ASCII)


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
    """Read ``text`` as a version, as C's ``sscanf("%u.%u.%u")`` does: what follows (``-rc1``) is ignored.

    ``None`` if it is not ``x.y.z``.
    """
    found = _SEMVER.match(text)
    return Version(int(found[1]), int(found[2]), int(found[3])) if found else None


NO_VERSION = Version(0, 0, 0)
