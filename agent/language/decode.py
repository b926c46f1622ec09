"""Read values out of YAML mappings as Falco does (yaml-cpp's ``convert``), and refuse in its words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from agent.alert import PRIORITIES
from agent.language.nodes import AnyNode, Mapping, Node, Null, Scalar, Sequence
from agent.language.sink import Context, Rejected

VALIDATE_YAML = "LOAD_ERR_YAML_VALIDATE"
VALIDATE = "LOAD_ERR_VALIDATE"

PRIORITY_NAMES = {**{name.lower(): name for name in PRIORITIES}, "info": "Informational"}

MAX_GUESSED = 200
"""Longer words are not compared with known ones: that takes quadratic time."""

_BOOLEANS = {
    "y": True,
    "yes": True,
    "true": True,
    "on": True,
    "n": False,
    "no": False,
    "false": False,
    "off": False,
}
_UNSIGNED = re.compile(r"\+?(?:0[xX]([0-9a-fA-F]+)|([0-9]+))[ \t\r\n\v\f]*", re.ASCII)


def parse_boolean(text: str) -> bool | None:
    """Read a boolean as yaml-cpp: all lower, all upper or capitalised; ``None`` if it is none."""
    if text in {text.lower(), text.upper(), text[:1].upper() + text[1:].lower()}:
        return _BOOLEANS.get(text.lower())
    return None


def parse_unsigned(text: str) -> int | None:
    """Read a 32-bit unsigned number as C++ streams do: decimal, ``0x`` or octal; ``None`` if it is none."""
    found = _UNSIGNED.fullmatch(text)
    if found is None:
        return None
    digits = found[2]
    try:
        value = (
            int(found[1], 16) if found[1] else int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
        )
    except ValueError:  # an octal number with an 8 or 9 in it, or thousands of digits
        return None
    return value if value < 1 << 32 else None


def parse_priority(text: str) -> str | None:
    """Return the capitalised name of a priority in any case; ``None`` if there is no such priority."""
    return PRIORITY_NAMES.get(text.lower())


def closest(word: str, known: Iterable[str]) -> str:
    """Return the known word that ``word`` is most likely a typo of, or an empty text."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6) if len(word) <= MAX_GUESSED else []
    return close[0] if close else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean X?`` for the closest known word, or an empty text."""
    found = closest(word, known)
    return f"did you mean {found}?" if found else ""


class Reader:
    """Reads the keys of one mapping, in the context of one item."""

    def __init__(self, mapping: Mapping, context: Context) -> None:
        self.mapping = mapping
        self.context = context

    def has(self, key: str) -> bool:
        """Whether the key is there, null or not."""
        return self.mapping.get(key) is not None

    def value_context(self, key: str, node: Node) -> Context:
        """Return the context of a key's value."""
        return self.context.child("value for", key, node)

    def rejected(self, message: str, at: Node, hint: str = "", context: Context | None = None) -> Rejected:
        """Make the refusal of something in this mapping."""
        return Rejected(VALIDATE_YAML, message, context or self.context, at, hint)

    def scalar(self, key: str) -> Scalar:
        """Return a value that must be there, be a scalar and say something."""
        value = self.mapping.get(key)
        if value is None:
            raise self.rejected(f"Item has no mapping for key '{key}'", self.mapping, self._missing(key))
        if isinstance(value, Null):
            raise self.rejected(
                f"Mapping for key '{key}' is empty", self.mapping.key(key), f"give '{key}' a value"
            )
        context = self.value_context(key, value)
        if not isinstance(value, Scalar):
            raise self.rejected(
                "Value is not a scalar value", value, f"'{key}' takes a single value", context
            )
        if not value.value:
            raise self.rejected("Value must be non-empty", value, f"give '{key}' a value", context)
        return value

    def _missing(self, key: str) -> str:
        close = closest(key, self.mapping.pairs())
        return f"is '{close}' a typo of '{key}'?" if close else f"add '{key}:' to this item"

    def text(self, key: str) -> str:
        """Return the text of a value that must be there."""
        return self.scalar(key).value

    def boolean(self, key: str, *, default: bool | None = None) -> bool:
        """Return a boolean; ``default``, if there is one, where the key is missing."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        value = parse_boolean(node.value)
        if value is None:
            raise self._undecoded(key, node, "write true or false")
        return value

    def unsigned(self, key: str, default: int | None = None) -> int:
        """Return a 32-bit unsigned number; ``default``, if there is one, where the key is missing."""
        if default is not None and not self.has(key):
            return default
        node = self.scalar(key)
        value = parse_unsigned(node.value)
        if value is None:
            raise self._undecoded(key, node, "write a whole number from 0 to 4294967295")
        return value

    def _undecoded(self, key: str, node: Scalar, hint: str) -> Rejected:
        return self.rejected("Can't decode YAML scalar value", node, hint, self.value_context(key, node))

    def scalars(self, key: str, *, required: bool) -> list[Scalar]:
        """Return the items of a sequence of scalars."""
        value = self.mapping.get(key)
        if value is None:
            if not required:
                return []
            raise self.rejected(f"Item has no mapping for key '{key}'", self.mapping, self._missing(key))
        context = self.value_context(key, value)
        if not isinstance(value, Sequence):
            hint = f"write '{key}: [a, b]'"
            raise self.rejected("Value is not a sequence", value, hint, context)
        return [self._scalar_item(item, key, context) for item in value.items]

    def _scalar_item(self, item: AnyNode, key: str, context: Context) -> Scalar:
        if isinstance(item, Scalar):
            return item
        hint = f"each of '{key}' is one word or one quoted text"
        raise self.rejected("sequence value is not scalar", item, hint, context.child("list item", "", item))

    def priority(self) -> str:
        """Return the capitalised priority."""
        node = self.scalar("priority")
        name = parse_priority(node.value)
        if name is None:
            hint = did_you_mean(node.value.upper(), [known.upper() for known in PRIORITY_NAMES])
            known = "one of EMERGENCY ALERT CRITICAL ERROR WARNING NOTICE INFORMATIONAL DEBUG"
            raise self.rejected(
                "Invalid priority", node, hint or known, self.context.child("rule priority", "", node)
            )
        return name
