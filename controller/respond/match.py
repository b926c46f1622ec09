"""Which alerts a playbook's rule is for. Pure.

As Falco Talon has it: every part of ``match`` that is given must hold; ``rules`` holds if the
alert's rule is one of them; of ``tags`` and ``output_fields`` one group must hold wholly.
Everything in an alert is data that an attacker may have written: it is compared, nothing else.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.alert import PRIORITIES

_PRIORITY = re.compile(r"(?P<operator>[<>]?=?)\s*(?P<name>[A-Za-z]+)")
_FIELD = re.compile(
    r"""\s*(?P<key>[A-Za-z0-9_.\[\]/*"'-]+?)\s*(?P<operator>!?=)\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^,]*?))\s*(?:,|$)"""
)
# A more urgent priority is the greater one, and has the smaller number.
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "": operator.eq,
    "=": operator.eq,
    ">": operator.lt,
    ">=": operator.le,
    "<": operator.gt,
    "<=": operator.ge,
}


@dataclass(frozen=True)
class Priority:
    """``>=Critical``."""

    operator: str
    number: int
    """Index in ``agent.alert.PRIORITIES``."""

    @classmethod
    def parse(cls, text: str) -> Priority:
        """Read a priority with or without a comparison. Raises ValueError."""
        found = _PRIORITY.fullmatch(text.strip())
        number = priority_number(found["name"]) if found else None
        if found is None or number is None:
            raise ValueError(f"{text!r} is no priority")
        return cls(found["operator"], number)

    def holds(self, name: str) -> bool:
        """Whether an alert of priority ``name`` is meant."""
        number = priority_number(name)
        return number is not None and _COMPARE[self.operator](number, self.number)

    def __str__(self) -> str:
        return f"{self.operator}{PRIORITIES[self.number]}"


@dataclass(frozen=True)
class FieldTest:
    """``proc.name=nginx`` or ``user.name!=root``. ``!=`` also holds where the alert lacks the field."""

    key: str
    value: str
    negated: bool = False

    def holds(self, fields: Mapping[str, Any]) -> bool:
        """Whether it holds for an alert's ``output_fields``."""
        return (text_of(fields.get(self.key)) == self.value) is not self.negated

    def __str__(self) -> str:
        return f"{self.key}{'!=' if self.negated else '='}{self.value}"


@dataclass(frozen=True)
class Match:
    """What a rule of a playbook is for. What is empty is not looked at."""

    rules: frozenset[str] = frozenset()
    priority: Priority | None = None
    source: str = ""
    tags: tuple[frozenset[str], ...] = ()
    fields: tuple[tuple[FieldTest, ...], ...] = ()

    def holds(self, line: Mapping[str, Any]) -> bool:
        """Whether it is for the alert of which ``line`` is Falco's JSON."""
        return (
            (not self.rules or str(line.get("rule")) in self.rules)
            and (self.priority is None or self.priority.holds(str(line.get("priority", ""))))
            and (not self.source or line.get("source") == self.source)
            and (not self.tags or self._tags_hold(line.get("tags")))
            and (not self.fields or self._fields_hold(line.get("output_fields")))
        )

    @property
    def is_everything(self) -> bool:
        """Whether it is for every alert."""
        return self == Match()

    def _tags_hold(self, tags: Any) -> bool:
        present = set(map(str, tags)) if isinstance(tags, list | tuple) else set()
        return any(group <= present for group in self.tags)

    def _fields_hold(self, fields: Any) -> bool:
        known: Mapping[str, Any] = fields if isinstance(fields, Mapping) else {}
        return any(all(test.holds(known) for test in group) for group in self.fields)


def priority_number(name: str) -> int | None:
    """Return the index of a priority in ``agent.alert.PRIORITIES``, however it is capitalised."""
    wanted = "informational" if name.lower() == "info" else name.lower()
    return next((index for index, known in enumerate(PRIORITIES) if known.lower() == wanted), None)


def parse_tags(group: str | Sequence[str]) -> frozenset[str]:
    """Read tags that must all be there: ``a, b``, or a list of them. Raises ValueError."""
    tags = [tag.strip() for tag in (group.split(",") if isinstance(group, str) else group)]
    if not tags or not all(tags):
        raise ValueError("a tag is empty")
    return frozenset(tags)


def parse_fields(group: str | Sequence[str]) -> tuple[FieldTest, ...]:
    """Read tests that must all hold: ``a=b, c!="d, e"``, or a list of them, one each. Raises ValueError."""
    if isinstance(group, str):
        return tuple(_split(group))
    return tuple(_one(text) for text in group)


def text_of(value: Any) -> str | None:
    """Return an output field's value as a playbook writes it; ``None`` if the alert has none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"({','.join(str(text_of(item)) for item in value)})"
    return str(value)


def _split(text: str) -> list[FieldTest]:
    tests, at = [], 0
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            raise ValueError(f"{text[at:]!r} is no test of a field")
        value = found["plain"] if found["quoted"] is None else found["quoted"]
        tests.append(FieldTest(found["key"], value, found["operator"] == "!="))
        at = found.end()
    if not tests:
        raise ValueError("a test of a field is empty")
    return tests


def _one(text: str) -> FieldTest:
    """Read one test; its value goes to the end, commas and all."""
    key, separator, value = text.partition("=")
    negated = key.endswith("!")
    key = key.removesuffix("!").strip()
    if not separator or not key:
        raise ValueError(f"{text!r} is no test of a field")
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return FieldTest(key, value, negated)
