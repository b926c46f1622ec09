"""Resolve a field with its argument: ``proc.aname[2]``, ``evt.arg.flags``, ``container.label.app``.

Conditions and outputs name fields in the same way. Texts of errors are upstream's
(``parse_field_name`` of its filter checks).
"""

from __future__ import annotations

import re
from typing import Callable

from agent.fields import catalogue as kinds
from agent.fields.catalogue import Catalogue, FieldInfo, FieldUse, UnknownFieldError
from agent.fields.types import Type

_NUMBER = re.compile(r"[ \t\n\x0b\x0c\r]*([+-]?[0-9]{1,10})\Z")
_SUBSYSTEM = re.compile(r"[a-zA-Z_]+\Z")
_DOTTED = (kinds.PARAMETER, kinds.EVENT, kinds.SUBSYSTEM, kinds.PATH, kinds.LABEL)
"""Kinds of argument that may follow a dot."""


def resolve(catalogue: Catalogue, name: str, arg: bytes | None = None) -> FieldUse:
    """Return the field that ``name`` and ``arg`` mean, as the grammar splits them.

    ``arg`` is the text between the brackets, ``None`` if there are none; an argument after a dot is
    still part of ``name``. Raises UnknownFieldError.
    """
    text = None if arg is None else arg.decode("utf-8", "surrogateescape")
    info = catalogue.field(name)
    if info is not None:
        return _KINDS[info.argument](catalogue, info, text)
    dot = name.rfind(".")
    while dot > 0:
        info = catalogue.field(name[:dot])
        if info is not None and info.argument in _DOTTED:
            return _dotted(catalogue, info, name[dot + 1 :], text)
        dot = name.rfind(".", 0, dot)
    raise _nonexistent(name, text)


def _nonexistent(name: str, arg: str | None) -> UnknownFieldError:
    return UnknownFieldError(f"filter_check called with nonexistent field {_written(name, arg)}")


def _written(name: str, arg: str | None) -> str:
    return f"{name}[{arg}]" if arg is not None else name


def _plain(_catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is not None:
        raise _nonexistent(info.name, arg)
    return FieldUse(info.name, info.type, info)


def _number(text: str) -> int | None:
    """Return the number as upstream reads indexes, ``None`` if it is none or needs more than 32 bits."""
    match = _NUMBER.match(text)
    number = int(match.group(1)) if match else 1 << 31
    return number if -(1 << 31) <= number < 1 << 31 else None


def _index(_catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is None:
        return _without(info)
    number = _number(arg)
    if number is None:
        raise UnknownFieldError(f"{arg} is not a valid number")
    return FieldUse(f"{info.name}[{number}]", info.type, info, str(number))


def _ancestor(catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is not None and _number(arg) is None:
        raise _nonexistent(info.name, arg)
    return _index(catalogue, info, arg)


def _time(_catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is None:
        return _without(info)
    if not arg.isascii() or not arg.isdigit() or len(arg) > 20:
        raise UnknownFieldError(f"{arg} is not a valid number")
    return FieldUse(f"{info.name}[{arg}]", info.type, info, arg)


def _key(_catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is None:
        return _without(info)
    return FieldUse(f"{info.name}[{arg}]", info.type, info, arg)


def _without(info: FieldInfo) -> FieldUse:
    if info.argument_required:
        raise UnknownFieldError(f"filter syntax error: {info.name} needs an argument")
    return FieldUse(info.name, info.type, info)


def _parameter(catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is not None and info.type.name == "DYNAMIC":
        raise UnknownFieldError("evt.arg fields must be expressed explicitly")
    return _index(catalogue, info, arg)


def _needs_dot(_catalogue: Catalogue, info: FieldInfo, arg: str | None) -> FieldUse:
    if arg is not None:
        raise _nonexistent(info.name, arg)
    return _without(info)


def _dotted(catalogue: Catalogue, info: FieldInfo, rest: str, arg: str | None) -> FieldUse:
    name = f"{info.name}.{rest}"
    if arg is not None:
        raise _nonexistent(name, arg)
    if info.argument == kinds.PARAMETER:
        if rest not in catalogue.parameters:
            raise UnknownFieldError(f"unknown event argument {rest}")
        # The type of a raw parameter depends on the event; upstream compiles with the first it finds.
        type_ = Type(catalogue.parameters[rest]) if info.type.name == "DYNAMIC" else info.type
        return FieldUse(name, type_, info, rest)
    if info.argument == kinds.LABEL:
        return FieldUse(f"{info.name}[{rest}]", info.type, info, rest)
    if not _DOTTED_VALID[info.argument](catalogue, rest):
        raise _nonexistent(name, None)
    return FieldUse(name, info.type, info, rest)


_DOTTED_VALID: dict[str, Callable[[Catalogue, str], bool]] = {
    kinds.EVENT: lambda catalogue, rest: rest in catalogue.event_types,
    kinds.SUBSYSTEM: lambda _, rest: _SUBSYSTEM.match(rest) is not None,
    kinds.PATH: lambda _, rest: rest in ("src", "dst"),
}
_KINDS: dict[str, Callable[[Catalogue, FieldInfo, str | None], FieldUse]] = {
    kinds.NO_ARGUMENT: _plain,
    kinds.INDEX: _index,
    kinds.TIME: _time,
    kinds.ANCESTOR: _ancestor,
    kinds.ANCESTOR_KEY: _key,
    kinds.KEY: _key,
    kinds.GLOB: _key,
    kinds.LABEL: _key,
    kinds.PARAMETER: _parameter,
    kinds.EVENT: _needs_dot,
    kinds.SUBSYSTEM: _needs_dot,
    kinds.PATH: _needs_dot,
}
