"""The transformers: ``tolower(proc.name)`` and its like, as functions from values to a value or ``None``.

Every argument has a value when a function here is called: a missing one means a missing result (language
specification, section 1.8).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from agent.language import typed

Values = tuple[bytes, ...]


def transformer(transform: typed.Transform) -> Callable[..., Any]:
    """Return the function of a transformer; it takes the values of the arguments, in order."""
    if transform.name == "getopt":
        return _getopt(transform.index)
    return _FUNCTIONS[transform.name]


def _each(function: Callable[[bytes], bytes]) -> Callable[[Any], Any]:
    """Apply to a text, or to each text of a list."""

    def apply(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(function(item) for item in value)
        return function(value)

    return apply


def _basename(path: bytes) -> bytes:
    return path[path.rfind(b"/") + 1 :]


def decode_base64(text: bytes) -> bytes | None:
    """Decode base64, with or without its padding; ``None`` if it is not, or has bits left over."""
    digits = text.rstrip(b"=")
    if len(text) - len(digits) > 2 or len(digits) % 4 == 1:
        return None
    if len(text) > len(digits) and len(text) % 4 == 1:
        return None
    try:
        decoded = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return None
    return decoded if base64.b64encode(decoded).rstrip(b"=") == digits else None


def _join(separator: bytes, texts: Sequence[bytes]) -> bytes:
    return separator.join(texts)


def _concat(*texts: bytes) -> bytes:
    return b"".join(texts)


def parse_options(arguments: Sequence[bytes], options: bytes) -> list[tuple[bytes, bytes | None]]:
    """Read options as getopt_long(3) does by POSIX: (letter, argument or ``None``), in order.

    An unknown option, a long one too, or one without the argument that it needs, is ``?``; the latter is
    ``:`` if ``options`` begins with a colon. Two colons behind a letter make its argument optional. Reading
    stops at ``--``, at ``-`` and at the first argument that is no option.
    """
    missing = b":" if options.startswith(b":") else b"?"
    letters = options[1:] if options.startswith(b":") else options
    found: list[tuple[bytes, bytes | None]] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument in (b"-", b"--") or not argument.startswith(b"-"):
            break
        if argument.startswith(b"--"):
            found.append((b"?", None))
        else:
            found.extend(_cluster(argument[1:], letters, waiting, missing))
    return found


def _cluster(
    cluster: bytes, letters: bytes, waiting: Iterator[bytes], missing: bytes
) -> list[tuple[bytes, bytes | None]]:
    """Read ``-abc``: letters, the last of which may take the rest or the next argument."""
    found: list[tuple[bytes, bytes | None]] = []
    for at in range(len(cluster)):
        letter = cluster[at : at + 1]
        place = letters.find(letter)
        if place < 0 or letter in (b":", b";"):
            found.append((b"?", None))
        elif letters[place + 1 : place + 2] != b":":
            found.append((letter, None))
        elif letters[place + 2 : place + 3] == b":":
            found.append((letter, cluster[at + 1 :] or None))
            break
        else:
            value = cluster[at + 1 :] or next(waiting, None)
            found.append((missing, None) if value is None else (letter, value))
            break
    return found


def _getopt(index: bytes | None) -> Callable[[Sequence[bytes], bytes], Any]:
    def every(arguments: Sequence[bytes], options: bytes) -> Values:
        """Return letters and values in one row."""
        row: list[bytes] = []
        for letter, value in parse_options(arguments, options):
            row.append(letter)
            if value is not None:
                row.append(value)
        return tuple(row)

    def last(arguments: Sequence[bytes], options: bytes) -> bytes | None:
        """Return the last value of one option, empty if it takes none."""
        values = [value or b"" for letter, value in parse_options(arguments, options) if letter == index]
        return values[-1] if values else None

    return every if index is None else last


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tolower": _each(bytes.lower),
    "toupper": _each(bytes.upper),
    "basename": _each(_basename),
    "b64": _each(decode_base64),  # type: ignore[arg-type]  # the type checker allows it no list
    "len": len,
    "join": _join,
    "concat": _concat,
    "val": lambda value: value,
}
