"""What is different between two releases: rules by meaning, playbooks by file, configurations by host."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.language import Ruleset, RulesFile, load
from controller.errors import HomeError
from controller.rules.compare import Change, compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.release.shelf import Contents
    from controller.store.releases import ReleaseEntry


@dataclass(frozen=True)
class ConfigChange:
    """How the configuration of some hosts changed: all of them in the same way."""

    hosts: tuple[str, ...]
    lines: tuple[str, ...]
    """A unified diff."""


@dataclass(frozen=True)
class Difference:
    """From one release to another."""

    rules: tuple[Change, ...]
    playbooks: tuple[str, ...]
    """A unified diff of all of them."""
    configs: tuple[ConfigChange, ...]
    hosts_added: tuple[str, ...]
    hosts_removed: tuple[str, ...]


def diff(old: tuple[ReleaseEntry, Contents], new: tuple[ReleaseEntry, Contents]) -> Difference:
    """Compare two releases. Raises HomeError if the rules of one do not load any more."""
    before, after = old[0].configs, new[0].configs
    return Difference(
        rules=tuple(compare(_ruleset(old[1]), _ruleset(new[1]))),
        playbooks=tuple(_playbooks(old[1].files, new[1].files)),
        configs=tuple(_configs(old, new)),
        hosts_added=tuple(name for name in after if name not in before),
        hosts_removed=tuple(name for name in before if name not in after),
    )


def _ruleset(contents: Contents) -> Ruleset:
    files = [RulesFile(file.path, contents.files[file.path]) for file in contents.manifest.rules]
    ruleset = load(files).ruleset
    if ruleset is None:
        raise HomeError(f"the rules of release {contents.manifest.id} do not load in this version of tercel")
    return ruleset


def _playbooks(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    names = sorted(name for name in {*before, *after} if name.startswith("playbooks/"))
    return [line for name in names for line in _lines(before.get(name, b""), after.get(name, b""), name)]


def _configs(old: tuple[ReleaseEntry, Contents], new: tuple[ReleaseEntry, Contents]) -> list[ConfigChange]:
    groups: dict[tuple[str, str], list[str]] = {}
    for host, after in new[0].configs.items():
        before = old[0].configs.get(host, after)
        if before != after:
            groups.setdefault((before, after), []).append(host)
    return [
        ConfigChange(tuple(hosts), tuple(_lines(old[1].configs[before], new[1].configs[after], "falco.yaml")))
        for (before, after), hosts in groups.items()
    ]


def _lines(before: bytes, after: bytes, name: str) -> list[str]:
    one, two = (text.decode(errors="replace").splitlines() for text in (before, after))
    return list(difflib.unified_diff(one, two, name, name, lineterm=""))
