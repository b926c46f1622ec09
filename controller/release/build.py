"""From files to a release: read, check, render, number, keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.language import Diagnostic, RulesFile, load
from agent.release import Manifest, ReleaseFile, sha256
from controller.clock import iso, now_ns
from controller.errors import InputError, ReleaseBuildError
from controller.release.shelf import Contents, Shelf
from controller.release.template import DEFAULT, Template
from controller.respond import playbook
from controller.respond.source import ERROR, PlaybookFile
from controller.rules.files import read_files
from controller.signing import Signer
from controller.store import releases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from controller.home import Home
    from controller.inventory import Inventory
    from controller.store import Store

_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Sources:
    """What a release is made from: files, or folders whose YAML files count in order of name."""

    rules: Sequence[Path]
    playbooks: Sequence[Path] = ()
    config: Path | None = None
    """Template of falco.yaml; None: the default one."""
    description: str = ""
    seconds: int | None = None
    """How long hosts take it after it was built; None: for ever."""


@dataclass(frozen=True)
class Built:
    """The release, and whether it is new: nothing changed since the last one if not."""

    entry: releases.ReleaseEntry
    new: bool
    warnings: list[str]


def build(home: Home, store: Store, inventory: Inventory, sources: Sources) -> Built:
    """Build a release for every host of the inventory. Raises InputError, ReleaseBuildError.

    The same files and variables as in the newest release give that one again.
    """
    rules = read_files(sources.rules, "rules")
    playbooks = read_files(sources.playbooks, "playbooks")
    warnings, names = _check_rules(rules)
    warnings += _check_playbooks(playbooks, names)
    hosts, configs = _render(sources.config, inventory)
    named = {**_named(rules, "rules"), **_named(playbooks, "playbooks")}
    shelf = Shelf(home.releases)
    with home.lock("release"):
        with store.read() as tx:
            number, known = releases.next_number(tx), releases.every(tx)
        if known and _same(shelf.get(known[-1].id), named, configs) and known[-1].configs == hosts:
            return Built(known[-1], new=False, warnings=warnings)
        created = now_ns()
        manifest = _manifest(number, created, sources, named, configs)
        shelf.put(Contents(manifest, named, configs, Signer.open(home).sign(manifest.to_json())))
        entry = releases.ReleaseEntry(manifest.id, number, created, sources.description, hosts)
        with store.write() as tx:
            releases.add(tx, entry)
    return Built(entry, new=True, warnings=warnings)


def describe(diagnostic: Diagnostic) -> str:
    """Return a diagnostic as one line: ``file:line:column: error: message [CODE]``, and the fix."""
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    place = f"{diagnostic.file}:{diagnostic.place.human()}"
    return f"{place}: {diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]{hint}"


def _check_rules(files: list[RulesFile]) -> tuple[list[str], set[str]]:
    """Return the warnings, and the names of the rules."""
    if not files:
        raise InputError("a release needs rules: name files or folders with --rules")
    loaded = load(files)
    errors = [describe(item) for item in loaded.diagnostics if item.is_error]
    if errors or loaded.ruleset is None:
        raise ReleaseBuildError(f"no release: {len(errors)} error(s) in the rules", errors)
    return [describe(item) for item in loaded.diagnostics], {rule.name for rule in loaded.ruleset.rules}


def _check_playbooks(files: list[RulesFile], rules: set[str]) -> list[str]:
    loaded = playbook.load([PlaybookFile(file.name, file.content) for file in files], rules)
    errors = [str(problem) for problem in loaded.problems if problem.severity == ERROR]
    if loaded.rules is None:
        raise ReleaseBuildError(f"no release: {len(errors)} error(s) in the playbooks", errors)
    return [str(problem) for problem in loaded.problems]


def _render(config: Path | None, inventory: Inventory) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return each host's configuration by digest, and the texts by digest. Every host's error is told."""
    template = Template.read(config) if config else Template("the default falco.yaml", DEFAULT)
    hosts, configs, errors = {}, {}, []
    for host in inventory.hosts.values():
        try:
            text = template.render(host)
        except InputError as error:
            errors.append(str(error))
            continue
        hosts[host.name] = sha256(text)
        configs[hosts[host.name]] = text
    if errors:
        raise ReleaseBuildError(f"no release: falco.yaml fails for {len(errors)} host(s)", errors)
    return hosts, configs


def _named(files: list[RulesFile], folder: str) -> dict[str, bytes]:
    """Return the files by their path in the release. A number before each name keeps the load order."""
    stems = [_UNFIT.sub("_", file.name.rsplit("/", 1)[-1].rsplit(".", 1)[0]) for file in files]
    return {
        f"{folder}/{number:03d}-{stem}.yaml": file.content
        for number, (stem, file) in enumerate(zip(stems, files, strict=True), 1)
    }


def _manifest(
    number: int, created_ns: int, sources: Sources, named: Mapping[str, bytes], configs: Mapping[str, bytes]
) -> Manifest:
    def listed(folder: str) -> tuple[ReleaseFile, ...]:
        return tuple(
            ReleaseFile(path, sha256(text)) for path, text in named.items() if path.startswith(folder)
        )

    return Manifest(
        number=number,
        created=iso(created_ns),
        description=sources.description,
        rules=listed("rules/"),
        playbooks=listed("playbooks/"),
        configs=tuple(sorted(configs)),
        expires=None if sources.seconds is None else iso(created_ns + sources.seconds * 10**9),
    )


def _same(contents: Contents, named: Mapping[str, bytes], configs: Mapping[str, bytes]) -> bool:
    return contents.files == named and contents.configs == configs
