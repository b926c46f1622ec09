"""Reading values by the annotations of the settings' dataclasses."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing
from typing import Any, Union

from agent.alert import PRIORITIES
from agent.config.document import Node
from agent.config.problem import ERROR, WARNING, Place, Problem
from agent.config.settings import CHOICES

_TRUE = frozenset({"true", "yes", "on", "y"})
_FALSE = frozenset({"false", "no", "off", "n"})
_INTEGER = re.compile(r"[+-]?[0-9]+")
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class _WrongError(Exception):
    """A value is not what its key takes; the problem is noted already."""


class Reading:
    """Reads a document into a dataclass; everything that is wrong is added to ``problems``."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def group(self, type_: type[Any], node: Node, path: str = "") -> Any:
        """Return the ``type_`` that ``node`` describes; what is missing or wrong has its default."""
        if not isinstance(node.content, dict):
            self._error(node.place, f"{path} must be a map, not {node.kind}")
            return type_()
        hints = typing.get_type_hints(type_)
        values = {}
        for key, entry in node.content.items():
            where = f"{path}.{key}" if path else key
            if key not in hints:
                self._problems.append(Problem(WARNING, entry.place, f"unknown key {where}: it has no effect"))
            elif entry.content is not None:
                try:
                    values[key] = self._value(hints[key], entry, where)
                except _WrongError:
                    continue
        return type_(**values)

    def _value(self, type_: Any, node: Node, path: str) -> Any:
        origin, arguments = typing.get_origin(type_), typing.get_args(type_)
        if origin is Union:
            return self._value(arguments[0], node, path)
        if origin is tuple:
            return tuple(self._value(arguments[0], item, path) for item in _items(node))
        if origin is dict:
            return self._map(arguments[1], node, path)
        if dataclasses.is_dataclass(type_):
            return self.group(typing.cast("type[Any]", type_), node, path)
        return natural(node) if type_ is Any else self._scalar(type_, node, path)

    def _map(self, type_: Any, node: Node, path: str) -> dict[str, Any]:
        if not isinstance(node.content, dict):
            raise self._error(node.place, f"{path} must be a map, not {node.kind}")
        return {key: self._value(type_, entry, f"{path}.{key}") for key, entry in node.content.items()}

    def _scalar(self, type_: type, node: Node, path: str) -> Any:
        text = node.content
        if isinstance(text, str):
            value = scalar(type_, text)
            if value is not None:
                return self._checked(value, node, path)
        raise self._error(node.place, f"{path} must be {_WORDS[type_]}, not {node.kind}")

    def _checked(self, value: Any, node: Node, path: str) -> Any:
        choices = CHOICES.get(path)
        if choices is not None and value.lower() not in choices:
            raise self._error(node.place, f"{path} must be one of {', '.join(choices)}, not {value!r}")
        if path == "priority":
            return next(name for name in PRIORITIES if name.lower().startswith(value.lower()))
        if path == "webserver.listen_address" and not _is_address(value):
            raise self._error(node.place, f"{path} must be an IPv4 or IPv6 address, not {value!r}")
        if path == "webserver.listen_port" and not 0 <= value <= 65535:
            raise self._error(node.place, f"{path} must be a port from 1 to 65535, not {value}")
        if isinstance(value, int) and value < 0:
            raise self._error(node.place, f"{path} must not be negative")
        return value.lower() if choices is not None else value

    def _error(self, place: Place, message: str) -> _WrongError:
        self._problems.append(Problem(ERROR, place, message))
        return _WrongError()


def scalar(type_: type, text: str) -> Any:
    """Return ``text`` as ``type_`` (bool, int, float or str), ``None`` if it is none."""
    if type_ is bool:
        lower = text.lower()
        return True if lower in _TRUE else False if lower in _FALSE else None
    if type_ is int:
        return int(text) if _INTEGER.fullmatch(text) else None
    if type_ is float:
        try:
            return float(text)
        except ValueError:
            return None
    return text


def natural(node: Node) -> Any:
    """Return a value by its looks: true and false, whole numbers, text, sequences and maps."""
    content = node.content
    if isinstance(content, dict):
        return {key: natural(entry) for key, entry in content.items()}
    if isinstance(content, list):
        return [natural(item) for item in content]
    if content in {"true", "false"}:
        return content == "true"
    return int(content) if content is not None and _INTEGER.fullmatch(content) else content


def _items(node: Node) -> list[Node]:
    """Return the items of a sequence; one value alone stands for a sequence of it, as in Falco."""
    return node.content if isinstance(node.content, list) else [node]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
