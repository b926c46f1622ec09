"""``falco.yaml`` as the cases ask for it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.config import ConfigError, settings
from agent.config.document import Node, lookup, parse
from agent.config.environment import expand_all
from agent.config.merge import merge_files
from agent.config.option import apply, key_path
from agent.config.problem import WARNING, Problem
from agent.config.read import typed
from agent.config.sources import enabled_sources
from agent.config.typed import natural, scalar

_TYPES = {"bool": bool, "int": int, "float": float, "double": float, "string": str, "str": str}
Json = dict[str, Any]


def config(case: Json) -> Json:
    if "loaded_sources" in case:
        return _sources(case)
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return _config(case, Path(folder))
        finally:
            os.chdir(before)


def _config(case: Json, folder: Path) -> Json:
    main = _lay_out(case, folder)
    problems: list[Problem] = []
    try:
        root = parse(main.read_bytes(), str(main), problems)
        environment = {**os.environ, **case.get("env", {})}
        expand_all(root, environment)
        merged = merge_files(root, main, problems)
        expand_all(root, environment)
        for path, value in case.get("set", {}).items():
            apply(root, f"{path}={value if isinstance(value, str) else json.dumps(value)}")
        for option in case.get("options", ()):
            apply(root, option)
    except ConfigError as error:
        return {"loads": False, "error": str(error), "schema_valid": False}
    answer: Json = {"files_loaded": 1 + len(merged), **_values(case, root)}
    try:
        read = typed(root, problems)
    except ConfigError as error:
        return {**answer, "loads": False, "error": str(error), "schema_valid": False}
    unknown = any(each.severity == WARNING and "unknown key" in each.message for each in problems)
    return {**answer, "loads": True, "schema_valid": not unknown, **_parsed(read)}


def _lay_out(case: Json, folder: Path) -> Path:
    main = folder / "main.yaml"
    text = case.get("main", case.get("yaml", ""))
    elsewhere = folder / "elsewhere"
    for name, content in case.get("files", {}).items():
        path = folder / _placed(name, folder, elsewhere)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_placed(content, folder, elsewhere))
    main.write_text(_placed(text, folder, elsewhere))
    return main


def _placed(text: str, folder: Path, elsewhere: Path) -> str:
    return text.replace("{cwd}", str(folder)).replace("{tmp}", str(elsewhere))


def _values(case: Json, root: Node) -> Json:
    expected: Mapping[str, Any] = case
    answer: Json = {"undefined": _Undefined(root), "values": _Values(root)}
    key = expected.get("key")
    if key is None:
        answer["value"] = _Values(root)
        return answer
    try:
        node = lookup(root, key_path(key))
    except ValueError as error:
        return {**answer, "error": str(error), "defined": False, "value": case.get("default")}
    answer["defined"] = node is not None
    answer["value"] = case.get("default") if node is None else _as(case, node)
    return answer


def _as(case: Json, node: Node) -> Any:
    wanted = _TYPES.get(case.get("as", ""))
    if wanted is None:
        return natural(node)
    value = scalar(wanted, node.content) if isinstance(node.content, str) else None
    return case.get("default") if value is None else value


class _Values(dict):  # type: ignore[type-arg]
    """Every value of a document by key path: the cases name only in ``expected`` which they want."""

    def __init__(self, root: Node) -> None:
        super().__init__()
        self._root = root

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, dict):
            return False
        return all(_found(self._root, key) == value for key, value in other.items())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


class _Undefined(list):  # type: ignore[type-arg]
    """Every key path that a document has no value for."""

    def __init__(self, root: Node) -> None:
        super().__init__()
        self._root = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list) and all(lookup(self._root, key_path(key)) is None for key in other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


def _found(root: Node, key: str) -> Any:
    node = lookup(root, key_path(key))
    return None if node is None else natural(node)


def _parsed(read: settings.Config) -> Json:
    return {
        "plugins": [_plugin(each) for each in read.plugins],
        "rules": [_selection(each) for each in read.rules],
        "append_output": [_without_defaults(each) for each in read.append_output],
    }


def _plugin(plugin: Json) -> Json:
    shown = {
        key: plugin[key]
        for key in ("name", "init_config", "open_params")
        if plugin.get(key) not in (None, "")
    }
    if isinstance(shown.get("init_config"), str) and shown["init_config"].startswith("{"):
        shown["init_config"] = json.loads(shown["init_config"])
    return shown


def _selection(selection: settings.RuleSelection) -> Json:
    able = selection.enable or selection.disable
    word = "enable" if selection.enable else "disable"
    return {word: {key: value for key, value in vars(able).items() if value is not None}}


def _without_defaults(entry: Any) -> Any:
    shown = {}
    for key, value in vars(entry).items():
        plain = _without_defaults(value) if isinstance(value, settings.AppendMatch) else value
        plain = list(plain) if isinstance(plain, tuple) else plain
        if plain:
            shown[key] = plain
    return shown


def _sources(case: Json) -> Json:
    try:
        enabled = enabled_sources(case["loaded_sources"], case["enable_source"], case["disable_source"])
    except ValueError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "enabled": sorted(enabled)}
