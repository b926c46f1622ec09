"""Test cases of rules: which rules fire on which event. The format is described in ``docs/rules.md``."""

from __future__ import annotations

import collections.abc
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.event import Event
from agent.fields.catalogue import CATALOGUE, FieldUse, UnknownFieldError
from agent.fields.resolve import resolve
from agent.fields.types import ADDRESSES, BUFFERS, NUMBERS, STRINGS, Type
from agent.language.decode import did_you_mean, parse_boolean
from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.source import RULES_SUFFIXES, TESTS
from agent.language.yaml_reader import YamlError, decode, read_yaml
from controller.errors import InputError


@dataclass(frozen=True)
class Case:
    """One event, and what it must lead to."""

    name: str
    place: str
    """``file:line:column``."""
    event: Event
    fires: frozenset[str] | None
    """The rules that fire, exactly; ``None`` if the case does not say."""
    silent: frozenset[str] = frozenset()
    """Rules that must not fire, whatever others do."""
    output: str = ""
    """Text that the output of a rule that fires must contain."""


@dataclass(frozen=True)
class CaseFile:
    """The cases of one file, and the rules files that they are about."""

    path: Path
    rules: tuple[Path, ...]
    cases: tuple[Case, ...] = field(default=())


def find_cases(paths: collections.abc.Sequence[Path]) -> list[Path]:
    """Return the files of cases that paths stand for: a folder's ``*_test.yaml``, by name.

    A rules file stands for the cases beside it. Raises InputError if there are none.
    """
    return [file for path in paths for file in _find(path)]


def _find(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(
            file for file in path.iterdir() if file.suffix in RULES_SUFFIXES and file.stem.endswith(TESTS)
        )
        if not found:
            raise InputError("the folder holds no test cases (*_test.yaml)", str(path))
        return found
    if path.stem.endswith(TESTS):
        return [path]
    beside = path.with_name(path.stem + TESTS + path.suffix)
    if not beside.exists():
        raise InputError(f"no test cases beside it ({beside.name})", str(path))
    return [beside]


def read_cases(path: Path) -> CaseFile:
    """Read ``NAME_test.yaml``. Raises InputError with a place for anything that it does not understand."""
    try:
        documents = read_yaml(decode(path.read_bytes()))
    except OSError as error:
        raise InputError(f"cannot read it: {error.strerror}", str(path)) from None
    except YamlError as error:
        raise InputError(error.message, f"{path}:{error.place.human()}") from None
    return _Reader(path).file(documents)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def _error(self, message: str, node: AnyNode) -> InputError:
        return InputError(message, f"{self._path}:{node.place.human()}")

    def file(self, documents: list[AnyNode]) -> CaseFile:
        """Read the whole file: a mapping with ``rules``, ``given`` and ``cases``."""
        if len(documents) != 1 or not isinstance(documents[0], Mapping):
            raise InputError("a file of cases is one mapping with the key 'cases'", str(self._path))
        root = documents[0]
        self._known(root, ("rules", "given", "cases"))
        given = self._event_fields(root.get("given"))
        cases = root.get("cases")
        if not isinstance(cases, Sequence):
            raise self._error("'cases' must be a list: '- name: …', 'event: …', 'fires: …'", cases or root)
        found = tuple(self._case(node, given) for node in cases.items)
        return CaseFile(self._path, self._rules(root), found)

    def _known(self, mapping: Mapping, keys: tuple[str, ...]) -> None:
        for key in mapping.scalar_keys():
            if key.value not in keys:
                hint = did_you_mean(key.value, keys) or f"known keys: {', '.join(keys)}"
                raise self._error(f"unknown key '{key.value}': {hint}", key)

    def _rules(self, root: Mapping) -> tuple[Path, ...]:
        if root.get("rules") is None:
            name = self._path.stem.removesuffix(TESTS) + self._path.suffix
            return (self._path.with_name(name),)
        return tuple(self._path.parent / name for name in self._texts(root, "rules"))

    def _texts(self, mapping: Mapping, key: str) -> list[str]:
        node = mapping.get(key)
        if node is None or isinstance(node, Null):
            return []
        nodes = node.items if isinstance(node, Sequence) else [node]
        texts = [item.value for item in nodes if isinstance(item, Scalar)]
        if isinstance(node, Mapping) or len(texts) != len(nodes):
            raise self._error(f"'{key}' must be a text or a list of texts", node)
        return texts

    def _case(self, node: AnyNode, given: collections.abc.Mapping[str, Any]) -> Case:
        if not isinstance(node, Mapping):
            raise self._error("a case is a mapping: '- name: …', 'event: …', 'fires: …'", node)
        self._known(node, ("name", "event", "fires", "silent", "output"))
        values = {**given, **self._event_fields(node.get("event"))}
        names = self._texts(node, "name")
        if "fires" not in node.pairs() and "silent" not in node.pairs():
            raise self._error(
                "say which rules must fire ('fires: [name]', 'fires: []') or must not ('silent:')", node
            )
        fires = frozenset(self._texts(node, "fires")) if "fires" in node.pairs() else None
        place = f"{self._path}:{node.place.human()}"
        output = " ".join(self._texts(node, "output"))
        return Case(
            names[0] if names else "unnamed case",
            place,
            self._event(values, node),
            fires,
            frozenset(self._texts(node, "silent")),
            output,
        )

    def _event(self, values: dict[str, Any], node: AnyNode) -> Event:
        kind = values.get("evt.type")
        if kind is None:
            raise self._error("the event needs 'evt.type'", node)
        name = kind.decode()
        if CATALOGUE.event(name) is None:
            hint = did_you_mean(name, CATALOGUE.event_types)
            raise self._error(f"unknown event type {name}{'; ' + hint if hint else ''}", node)
        values = {"syscall.type": kind, "evt.num": 1, **values}
        return Event(name, values, number=values["evt.num"])

    def _event_fields(self, node: AnyNode | None) -> dict[str, Any]:
        if node is None or isinstance(node, Null):
            return {}
        if not isinstance(node, Mapping):
            raise self._error(
                "an event is a mapping from field to value: {evt.type: execve, proc.name: sh}", node
            )
        values: dict[str, Any] = {}
        for key, value in node.items:
            if not isinstance(key, Scalar):
                raise self._error("a field's name is a text", key)
            use = self._field(key)
            values[use.key] = None if isinstance(value, Null) else self._value(value, use.type, key.value)
        return values

    def _field(self, key: Scalar) -> FieldUse:
        name, bracket, rest = key.value.partition("[")
        arg = rest.removesuffix("]").encode() if bracket else None
        try:
            return resolve(CATALOGUE, name, arg)
        except UnknownFieldError:
            hint = did_you_mean(name, (info.name for info in CATALOGUE.fields()))
            raise self._error(f"no such field: {key.value}{'; ' + hint if hint else ''}", key) from None

    def _value(self, node: AnyNode, type_: Type, name: str) -> Any:
        if type_.is_list:
            items = node.items if isinstance(node, Sequence) else [node]
            return tuple(self._value(item, Type(type_.name), name) for item in items)
        if not isinstance(node, Scalar):
            raise self._error(f"{name} takes one {type_}", node)
        try:
            return parse_value(node.value, type_)
        except ValueError as error:
            raise self._error(f"{name} is {type_}: {error}", node) from None


def parse_value(text: str, type_: Type) -> Any:
    """Read a value of a field's type, as ``agent.event`` holds it. Raises ValueError."""
    if type_.name in STRINGS | BUFFERS:
        return text.encode("utf-8", "surrogatepass")
    if type_.name == "BOOL":
        value = parse_boolean(text)
        if value is None:
            raise ValueError("write true or false")
        return value
    if type_.name in ADDRESSES:
        return ipaddress.ip_address(text).packed
    if type_.name == "DOUBLE":
        return float(text)
    if type_.name in NUMBERS:
        return int(text, 0)
    raise ValueError("a value of this type cannot be written down")
