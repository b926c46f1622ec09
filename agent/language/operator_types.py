"""Which operators a type takes.

Texts of errors are upstream's (``flt_is_comparable`` in ``filter_compare.cpp``).
"""

from __future__ import annotations

from agent.fields.types import ADDRESSES, BUFFERS, LIST_ELEMENTS, NUMBERS, STRINGS, Type

_EQUAL = frozenset({"=", "!="})
_SET = frozenset({"in", "intersects"})
_ORDER = frozenset({"<", "<=", ">", ">="})
_TEXT = frozenset({"contains", "startswith", "endswith"})
_STRING_ONLY = frozenset({"icontains", "glob", "iglob", "regex"})
_BUFFER_ONLY = frozenset({"bcontains", "bstartswith"})

_STRING_OPERATORS = _EQUAL | _SET | _ORDER | _TEXT | _STRING_ONLY | {"pmatch"}
_BUFFER_OPERATORS = _EQUAL | _SET | _TEXT | _BUFFER_ONLY
_NUMBER_OPERATORS = _EQUAL | _SET | _ORDER
_OTHER_OPERATORS = _EQUAL | _SET


def operator_error(op: str, type_: Type, *, modified: bool = False) -> str | None:
    """Return what is wrong with canonical operator ``op`` on a value of ``type_``; ``None`` if nothing."""
    if op == "exists":
        return None
    if type_.is_list:
        return _list_error(op, type_)
    operators, kind = _operators(type_.name)
    if op in operators:
        return None
    if kind is None:
        return f"filter error: '{op}' operator not supported for type '{type_.name}'"
    if modified and type_.name in ADDRESSES:
        return f"filter error: '{op}' with modifier not supported for {kind} filters"
    return f"filter error: '{op}' operator not supported for {kind} filters"


def _list_error(op: str, type_: Type) -> str | None:
    if type_.name not in LIST_ELEMENTS:
        return f"filter error: list filters are not supported for type '{type_.name}'"
    return None if op in _SET else f"filter error: '{op}' operator not supported list filters"


def _operators(name: str) -> tuple[frozenset[str], str | None]:
    if name in STRINGS:
        return _STRING_OPERATORS, "string"
    if name in BUFFERS:
        return _BUFFER_OPERATORS, "buffer"
    if name in NUMBERS:
        return _NUMBER_OPERATORS, "numeric"
    if name == "BOOL":
        return _OTHER_OPERATORS, "numeric"
    if name in ADDRESSES:
        return _OTHER_OPERATORS, "ip address and network"
    return frozenset(), None
