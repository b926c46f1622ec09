"""Escapes in quoted strings, and the two ways to print a value.

``escape`` is upstream's canonical form (``ast::as_string``), which quotes too little to be
read back: commas, parentheses and the empty string stay bare. ``quote`` always reads back.
"""

from __future__ import annotations

import re

_ESCAPED = {
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"\\": b"\\",
    b"/": b"/",
    # A backslash at the very end, which no literal that parsed can have: upstream drops it.
    b"": b"",
    # An old upstream rule is written so: the backslash stays, the blank goes.
    b" ": b"\\",
}
_TO_ESCAPE = {
    b"\b": b"\\b",
    b"\f": b"\\f",
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
    b"\\": b"\\\\",
    b'"': b'\\"',
}
_ESCAPE = re.compile(rb"\\(x.{0,2}|.?)", re.DOTALL)
_HEX = re.compile(rb"x[0-9a-fA-F]{2}\Z")
_SPECIAL = re.compile(rb'[\x08\f\n\r\t\\"]')
_CANONICAL_QUOTED = re.compile(rb"[\x00\x08\f\n\r\t =\\\"']")
_BARE = re.compile(rb"[^\x00-\x20()\"'=,\\\x7f]+\Z")


class EscapeError(ValueError):
    """A quoted string holds an escape that does not exist."""


def unescape(literal: bytes) -> bytes:
    """Return the value of a quoted string, given with its quotes. Raises EscapeError."""
    quote, body = literal[:1], literal[1:-1]
    if b"\\" not in body:
        return body

    def value(match: re.Match[bytes]) -> bytes:
        return _value(match.group(1), quote)

    return _ESCAPE.sub(value, body)


def _value(sequence: bytes, quote: bytes) -> bytes:
    if sequence[:1] == b"x":
        if not _HEX.match(sequence):
            raise EscapeError(f"invalid hex char escape sequence: {_text(sequence[1:])}")
        return bytes([int(sequence[1:], 16)])
    if sequence == quote:
        return quote
    if sequence in (b'"', b"'"):
        raise EscapeError(f"invalid \\{_text(sequence)} escape in {_text(quote)}-quoted string")
    if sequence not in _ESCAPED:
        raise EscapeError(f"unsupported string escape sequence: \\{_text(sequence)}")
    return _ESCAPED[sequence]


def escape(value: bytes) -> bytes:
    """Return ``value`` as upstream prints it: quoted if it holds blanks, ``=``, quotes or backslashes."""
    return b'"' + _escaped(value) + b'"' if _CANONICAL_QUOTED.search(value) else value


def quote(value: bytes) -> bytes:
    """Return ``value`` as a literal that always reads back to it."""
    return value if _BARE.match(value) else quote_always(value)


def quote_always(value: bytes) -> bytes:
    """Return ``value`` as a quoted literal that reads back to it."""
    text = _escaped(value).replace(b"\x00", b"\\x00")
    # A quote after a backslash ends no string, so a last backslash is written as the
    # backslash-blank that every version of Falco reads.
    return b'"' + (text[:-1] + b' "' if value.endswith(b"\\") else text + b'"')


def _escaped(value: bytes) -> bytes:
    return _SPECIAL.sub(lambda match: _TO_ESCAPE[match.group()], value)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
