"""``config_files``: further configuration files, laid over the main one."""

from __future__ import annotations

from pathlib import Path

from agent.config.document import Node, parse
from agent.config.problem import ERROR, WARNING, ConfigError, Problem

STRATEGIES = ("append", "override", "add-only")
_KEY = "config_files"


def merge_files(main: Node, main_file: Path, problems: list[Problem]) -> list[tuple[Path, bytes]]:
    """Lay the files that ``main`` names over it. Return them in order, as read. Raises ConfigError.

    Files that do not exist are skipped with a warning. A folder stands for the files in it, by name.
    """
    done = []
    for entry in _entries(main):
        path, strategy = _entry(entry)
        for file in _files(path, entry, problems):
            if file.exists() and file.resolve() == main_file.resolve():
                raise _error(entry, "the main configuration file cannot include itself")
            try:
                text = file.read_bytes()
            except OSError as error:
                raise _error(entry, f"{file} cannot be read: {error.strerror}") from None
            _merge(main, parse(text, str(file), problems), strategy)
            done.append((file, text))
    return done


def _entries(main: Node) -> list[Node]:
    node = main.content.get(_KEY) if isinstance(main.content, dict) else None
    if node is None or node.content is None:
        return []
    if isinstance(node.content, dict):
        raise _error(node, f"{_KEY} is a sequence of files, not a map")
    return node.content if isinstance(node.content, list) else [node]


def _entry(node: Node) -> tuple[Path, str]:
    if isinstance(node.content, str):
        return Path(node.content), "append"
    if not isinstance(node.content, dict):
        raise _error(node, f"an entry of {_KEY} is a path, or a map of path and strategy, not {node.kind}")
    path, strategy = node.content.get("path"), node.content.get("strategy")
    name = "append" if strategy is None else strategy.content
    if path is None or not isinstance(path.content, str):
        raise _error(node, f"an entry of {_KEY} needs a path")
    if not isinstance(name, str) or name not in STRATEGIES:
        raise _error(strategy or node, f"strategy must be one of {', '.join(STRATEGIES)}")
    return Path(path.content), name


def _files(path: Path, entry: Node, problems: list[Problem]) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.suffix in {".yaml", ".yml"} and each.is_file())
    if not path.exists():
        problems.append(Problem(WARNING, entry.place, f"{path} does not exist: skipped"))
        return []
    return [path]


def _merge(main: Node, other: Node, strategy: str) -> None:
    base, added = main.content, other.content
    if not isinstance(base, dict) or not isinstance(added, dict):
        raise TypeError("configurations are maps")
    if _KEY in added:
        raise _error(added[_KEY], f"{_KEY} cannot be nested")
    for key, node in added.items():
        old = base.get(key)
        both = old is not None and isinstance(old.content, list) and isinstance(node.content, list)
        if old is None or strategy == "override":
            base[key] = node
        elif strategy == "append":
            base[key] = Node([*_items(old), *_items(node)], node.place) if both else node


def _items(node: Node) -> list[Node]:
    return node.content if isinstance(node.content, list) else [node]


def _error(node: Node, message: str) -> ConfigError:
    return ConfigError([Problem(ERROR, node.place, message)])
