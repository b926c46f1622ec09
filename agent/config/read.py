"""Read a configuration: the file, the files that it names, the environment, the options given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.config.document import Node, parse
from agent.config.environment import expand_all
from agent.config.merge import merge_files
from agent.config.option import apply
from agent.config.problem import ERROR, NOTICE, WARNING, ConfigError, Place, Problem
from agent.config.settings import ALIASES, WITHOUT_EFFECT, Config
from agent.config.typed import Reading


@dataclass(frozen=True)
class Loaded:
    """A configuration that was accepted."""

    config: Config
    problems: tuple[Problem, ...]
    """Warnings and notices."""
    files: tuple[tuple[Path, bytes], ...]
    """Every file that was read, the main one first, with its content."""


def read(file: Path, options: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the configuration in ``file``. Raises ConfigError, with every problem that was found."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(ERROR, Place(str(file)), f"cannot be read: {error.strerror}")]) from None
    problems: list[Problem] = []
    try:
        root = parse(text, str(file), problems)
        expand_all(root, environment or {})
        merged = merge_files(root, file, problems)
        expand_all(root, environment or {})
        for option in options:
            apply(root, option)
        config = typed(root, problems)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    return Loaded(config, tuple(problems), ((file, text), *merged))


def typed(root: Node, problems: list[Problem]) -> Config:
    """Return the settings of a document; adds warnings and notices. Raises ConfigError with the errors."""
    if isinstance(root.content, dict):
        for alias, key in ALIASES.items():
            if alias in root.content:
                root.content.setdefault(key, root.content.pop(alias))
    found: list[Problem] = []
    config: Config = Reading(found).group(Config, root)
    _check(config, root, found)
    errors = [each for each in found if each.severity == ERROR]
    if errors:
        raise ConfigError(found)
    problems += [*found, *_notices(root)]
    return config


def _check(config: Config, root: Node, found: list[Problem]) -> None:
    """Check what no single value shows."""
    entries = root.content if isinstance(root.content, dict) else {}
    for output, key in (("file_output", "filename"), ("program_output", "program"), ("http_output", "url")):
        settings = getattr(config, output)
        if settings.enabled and not getattr(settings, key):
            found.append(Problem(ERROR, entries[output].place, f"{output} is enabled but has no {key}"))
    for index, plugin in enumerate(config.plugins):
        if _escapes(str(plugin.get("library_path", ""))):
            text = f"plugins[{index}].library_path leads out of the folder of plugins"
            found.append(Problem(ERROR, entries["plugins"].place, text))
    for index, selection in enumerate(config.rules):
        chosen = [each for each in (selection.enable, selection.disable) if each is not None]
        if len(chosen) != 1 or (chosen[0].rule is None) == (chosen[0].tag is None):
            text = f"rules[{index}] must have one of enable and disable, with one of rule and tag"
            found.append(Problem(ERROR, entries["rules"].place, text))
    outputs = (config.stdout_output, config.syslog_output, config.file_output, config.program_output)
    if not any(output.enabled for output in (*outputs, config.http_output)):
        text = "no output is enabled: alerts go to the spool only"
        found.append(Problem(WARNING, root.place, text))


def _escapes(path: str) -> bool:
    """Whether a relative path leads out of the folder that it begins in."""
    return not Path(path).is_absolute() and os.path.normpath(path).split("/")[0] == ".."


def _notices(root: Node) -> list[Problem]:
    entries = root.content if isinstance(root.content, dict) else {}
    vain = [key for key in WITHOUT_EFFECT if key in entries and _says_something(entries[key])]
    if not vain:
        return []
    reasons = dict.fromkeys(WITHOUT_EFFECT[key] for key in vain)
    by_reason = [f"{', '.join(k for k in vain if WITHOUT_EFFECT[k] == why)} ({why})" for why in reasons]
    text = f"accepted, without effect here: {'; '.join(by_reason)}"
    return [Problem(NOTICE, root.place, text)]


def _says_something(node: Node) -> bool:
    """Whether a value asks for anything: not empty, not a plain ``false``, not switched off."""
    if isinstance(node.content, dict) and (switch := node.content.get("enabled")) is not None:
        return switch.content != "false"
    return node.content not in (None, "", "false", [], {})
