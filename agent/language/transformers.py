"""Types of transformers: what each takes and gives.

Texts of errors are upstream's (``sinsp_filter_transformers``). The functions raise TransformerError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from agent.fields.types import BUFFERS, STRINGS, TEXT, TEXTS, Type

_COUNT = Type("UINT64")


class TransformerError(ValueError):
    """The transformer does not take these arguments."""


def result_type(name: str, args: Sequence[Type], field: str, index: bytes | None) -> Type:
    """Return the type of ``name(args)[index]``. ``field`` is the innermost field, for the message."""
    if index is not None and name != "getopt":
        prefix = "" if name in _SEVERAL else "filter error: "
        raise TransformerError(f"{prefix}transformer '{name}' does not support field arguments")
    several = _SEVERAL.get(name)
    if several is not None:
        return several(args, index)
    if len(args) != 1:
        raise TransformerError(f"transformer '{name}' takes one argument, not {len(args)}")
    return _single(name, args[0], field)


def _single(name: str, arg: Type, field: str) -> Type:
    if name == "len":
        if arg.is_list or arg.name in STRINGS or arg.name in BUFFERS:
            return _COUNT
    elif arg.name in _ACCEPTED[name]:
        return arg
    what = "list field" if arg.is_list else "field"
    raise TransformerError(
        f"can't add field transformer: type '{arg.name}' is not supported by '{name}' transformer "
        f"applied on {what} '{field}'"
    )


_ACCEPTED = {
    "tolower": STRINGS,
    "toupper": STRINGS,
    "basename": STRINGS,
    "b64": frozenset({"CHARBUF"}) | BUFFERS,
}


def _join(args: Sequence[Type], _index: bytes | None) -> Type:
    if len(args) != 2:
        raise TransformerError("join() requires exactly 2 arguments: separator and list")
    if args[0].is_list:
        raise TransformerError("join() first argument (separator) must be a single value, not a list")
    if not args[1].is_list:
        raise TransformerError("join() second argument must be a list")
    if args[0].name not in STRINGS or args[1].name not in STRINGS:
        raise TransformerError("join() arguments must be strings")
    return TEXT


def _concat(args: Sequence[Type], _index: bytes | None) -> Type:
    if len(args) < 2:
        raise TransformerError("concat() requires at least 2 arguments")
    if any(arg != TEXT for arg in args):
        raise TransformerError("concat() arguments must be strings")
    return TEXT


def _getopt(args: Sequence[Type], index: bytes | None) -> Type:
    if len(args) != 2:
        raise TransformerError("getopt() requires exactly 2 arguments: args list and optstring")
    if not args[0].is_list:
        raise TransformerError("getopt() first argument must be a list")
    if args[1].is_list:
        raise TransformerError("getopt() second argument (optstring) must be a single value")
    if args[0] != TEXTS or args[1] != TEXT:
        raise TransformerError("getopt() arguments must be strings")
    if index is None:
        return TEXTS
    if len(index) != 1:
        raise TransformerError("getopt() field argument must be a single option character")
    return TEXT


_SEVERAL: dict[str, Callable[[Sequence[Type], bytes | None], Type]] = {
    "join": _join,
    "concat": _concat,
    "getopt": _getopt,
}
