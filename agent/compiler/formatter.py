"""Output formats to functions: an event in, text and JSON values out.

Nothing here raises, whatever bytes an event holds: what is not UTF-8 becomes U+FFFD.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, NamedTuple, Optional

from agent.compiler.operands import EITHER, ancestors, is_ancestor
from agent.compiler.predicate import argument_loader
from agent.event import Event
from agent.fields.types import Type
from agent.language import typed
from agent.language.output import NO_VALUE, Output, Placeholder, written

_TIMES = frozenset({"evt.time", "evt.time.s", "evt.time.iso8601", "evt.datetime", "evt.datetime.s"})
"""Fields that are text in an output, and nanoseconds since 1970 in JSON."""

_Load = Callable[[Event], Any]
_Piece = tuple[bytes, Optional[_Load], int]
"""Literal text, or what loads a value, and the width."""


class Filled(NamedTuple):
    """A format filled in for one event."""

    text: bytes
    complete: bool
    """False if a field without value ended a format that does not begin with ``*``."""


class Formatter:
    """One output format, ready to be filled in.

    With ``as_falco`` the length of a text has no value, as in Falco's outputs (Q14 of the language
    specification); otherwise it is the number that conditions compare.
    """

    def __init__(self, output: Output, *, as_falco: bool = False) -> None:
        self._output = output
        self._pieces = [_piece(piece) for piece in output.pieces]
        if as_falco:
            self._pieces = [_mute_length(*pair) for pair in zip(output.pieces, self._pieces)]
        self._tokens = _tokens(output)
        self._fields = [(field.key, _json_loader(field)) for field in output.fields]

    def fill(self, event: Event) -> Filled:
        """Fill the format in as text."""
        parts: list[bytes] = []
        for literal, load, width in self._pieces:
            if load is None:
                parts.append(literal)
                continue
            text = load(event)
            if text is None:
                if not self._output.lenient:
                    return Filled(b"".join(parts), complete=False)
                text = NO_VALUE
            parts.append(text[:width].ljust(width) if width else text)
        return Filled(b"".join(parts), complete=True)

    def text(self, event: Event) -> str:
        """Fill the format in as Unicode text."""
        return self.fill(event).text.decode("utf-8", "replace")

    def fields(self, event: Event) -> dict[str, Any]:
        """Return the JSON values of the plain fields, ``None`` for a missing one."""
        return {key: load(event) for key, load in self._fields}

    def values(self, event: Event) -> tuple[dict[str, Any], bool]:
        """Return the JSON values of plain and transformed fields that were reached, and whether all were."""
        found: dict[str, Any] = {}
        for name, load in self._tokens:
            value = load(event)
            if value is None and not self._output.lenient:
                return found, False
            found[name] = value
        return found, True


def _piece(piece: bytes | Placeholder) -> _Piece:
    if isinstance(piece, bytes):
        return piece, None, 0
    load, type_ = _loader(piece.expression), piece.expression.type
    as_it_is = _is_text(type_)

    def text(event: Event) -> bytes | None:
        value = load(event)
        if value is None or (as_it_is and type(value) is bytes):
            return value
        return printed(value, type_)

    return b"", text, piece.width


def _is_text(type_: Type) -> bool:
    """Say whether a value of this type, if it is bytes, is printed as it is."""
    return not type_.is_list and type_.name not in ("IPADDR", "IPNET")


def _mute_length(piece: bytes | Placeholder, made: _Piece) -> _Piece:
    if isinstance(piece, bytes) or not isinstance(piece.expression, typed.Transform):
        return made
    argument = piece.expression.args[0]
    muted = piece.expression.name == "len" and not argument.type.is_list
    return (b"", lambda _event: None, piece.width) if muted else made


def _loader(expression: typed.Argument) -> _Load:
    """Return the function that gives a value to print; filter-only fields have none."""
    if not isinstance(expression, typed.Field):
        return argument_loader(expression)
    key = expression.key
    if key in EITHER:
        return lambda _event: None
    if is_ancestor(expression):
        return lambda event: _row(event, key)
    return lambda event: event[key]


def _row(event: Event, key: str) -> Any:
    """Return all ancestors in one text."""
    value = event[key]
    if value is None:
        value = ancestors(event, key)
    if isinstance(value, tuple) and key == "proc.apid":
        return event["proc.pid"]  # in an output, without index, Falco means the process itself
    if isinstance(value, tuple):
        return b" ".join(item if isinstance(item, bytes) else b"%d" % item for item in value)
    return value


def _json_loader(expression: typed.Expression) -> _Load:
    load, type_ = _loader(expression), expression.type
    if isinstance(expression, typed.Field) and expression.key in _TIMES:
        return lambda event: event.time_ns

    as_it_is = _is_text(type_)

    def value(event: Event) -> Any:
        loaded = load(event)
        if loaded is None:
            return None
        if as_it_is and type(loaded) is bytes:
            return loaded.decode("utf-8", "replace")
        return to_json(loaded, type_)

    return value


def _tokens(output: Output) -> list[tuple[str, _Load]]:
    """Return what Falco names in JSON: fields of a transformer, then the transformer."""
    found: dict[str, _Load] = {}
    for piece in output.pieces:
        if isinstance(piece, Placeholder):
            for expression in _resolved(piece.expression):
                found.setdefault(written(expression), _json_loader(expression))
    return list(found.items())


def _resolved(expression: typed.Expression) -> list[typed.Expression]:
    if isinstance(expression, typed.Field):
        return [expression]
    inner: typed.Argument = expression
    while isinstance(inner, typed.Transform) and len(inner.args) == 1:
        inner = inner.args[0]
    if isinstance(inner, typed.Field):
        return [inner, expression]
    return [*_arguments(inner), expression]


def _arguments(argument: typed.Argument) -> list[typed.Expression]:
    items = argument.args if isinstance(argument, typed.Transform) else getattr(argument, "items", ())
    found: list[typed.Expression] = []
    for item in items:
        if isinstance(item, (typed.Field, typed.Transform)):
            found.extend(_resolved(item))
        else:
            found.extend(_arguments(item))
    return found


def printed(value: Any, type_: Type) -> bytes:
    """Return a value as an output prints it."""
    if isinstance(value, tuple) and type_.is_list:
        return b"(" + b",".join(printed(item, Type(type_.name)) for item in value) + b")"
    if isinstance(value, bytes):
        return _address(value).encode() if type_.name in ("IPADDR", "IPNET") else value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, float):
        return b"%.1f" % value
    return str(value).encode()


def to_json(value: Any, type_: Type) -> Any:
    """Return a value as JSON holds it: numbers, booleans and lists as such, all else as text."""
    if isinstance(value, tuple) and type_.is_list:
        return [to_json(item, Type(type_.name)) for item in value]
    if isinstance(value, bytes):
        return printed(value, type_).decode("utf-8", "replace")
    return value


def _address(packed: bytes) -> str:
    try:
        return str(ipaddress.ip_address(packed))
    except ValueError:  # not 4 or 16 bytes: text that a replayed event gave
        return packed.decode("utf-8", "replace")
