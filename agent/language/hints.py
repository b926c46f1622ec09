"""Hints about constants that are probably not what was meant.

As upstream's filter compiler warns (``check_value_and_add_warnings`` in ``filter.cpp``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.fields.catalogue import Catalogue, UnknownFieldError
from agent.fields.resolve import resolve
from agent.language.operators import RIGHT_TRANSFORMERS

_BLANKS = re.compile(rb"[ \t\n\x0b\x0c\r]+")
_FIELD = re.compile(rb"([a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+)(?:\[([^\]]*)\])?\Z")
_TRANSFORMER = re.compile(rb"(?:" + "|".join(RIGHT_TRANSFORMERS).encode() + rb")\(.*\)\Z", re.DOTALL)
_PLAIN_REGEX = re.compile(rb"\^?(?:\.[+*?])?[^.+*?^$()\[\]{}|\\]*(?:\.[+*?])?\$?\Z")


def hints(value: bytes, op: str, catalogue: Catalogue) -> Iterator[str]:
    """Give what upstream warns about constant ``value`` on the right of ``op``."""
    if op != "regex" and b"." not in value and b"(" not in value:
        return
    shown = value.decode("utf-8", "backslashreplace")
    if op == "regex" and _PLAIN_REGEX.match(value):
        yield (
            f"regex check with '{shown}' may be optimized with simpler operators such as "
            "'=', 'contains', 'startswith', 'endswith'"
        )
    packed = _BLANKS.sub(b"", value)
    if _names_field(packed, catalogue):
        yield f"'{shown}' may be a valid field misused as a const string value"
    elif _TRANSFORMER.match(packed):
        yield f"'{shown}' may be a valid field transformer misused as a const string value"


def _names_field(text: bytes, catalogue: Catalogue) -> bool:
    match = _FIELD.match(text)
    if match is None:
        return False
    try:
        resolve(catalogue, match.group(1).decode("ascii"), match.group(2))
    except UnknownFieldError:
        return False
    return True
