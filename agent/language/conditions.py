"""The condition language as loading uses it: text to tree, tree to typed tree, and text again."""

from __future__ import annotations

from functools import lru_cache

from agent.fields.catalogue import CATALOGUE
from agent.language import tree
from agent.language.canonical import canonical
from agent.language.check import Checked, check
from agent.language.errors import ConditionError
from agent.language.parser import parse


def encode(text: str) -> bytes:
    """Encode text from YAML for the condition parser; half surrogates from escapes are kept."""
    return text.encode("utf-8", "surrogatepass")


def character_offset(text: str, byte_offset: int) -> int:
    """Return the character of ``text`` at a byte offset of its encoding."""
    if text.isascii():
        return min(byte_offset, len(text))
    return len(encode(text)[:byte_offset].decode("utf-8", "ignore"))


def parse_condition(text: str) -> tree.Condition:
    """Parse a condition of a rules file. Raises ConditionError."""
    return parse(encode(text))


def check_condition(condition: tree.Condition) -> Checked:
    """Check types and parse constants."""
    return check(condition, CATALOGUE)


def canonical_text(condition: tree.Condition) -> bytes:
    """Return Falco's canonical text of a condition."""
    return canonical(condition)


@lru_cache(maxsize=4096)
def is_supported_field(text: str) -> bool:
    """Whether ``text`` is a field, perhaps inside transformers, that a condition could compare."""
    try:
        return check_condition(parse_condition(f"{text} exists")).condition is not None
    except ConditionError:
        return False
