r"""``glob`` and ``iglob``: what fnmatch(3) does with flags 0 and with FNM_CASEFOLD, on bytes.

``*`` crosses ``/``, ``?`` is any byte, ``[a-c]``, ``[!a]`` and ``[[:digit:]]`` are sets, ``\`` escapes, an
unclosed ``[`` is itself, and the whole text must match. A glob is a row of fixed-length pieces between stars,
so the leftmost place of each piece is always a right one: matching needs no backtracking and costs at most
the length of the text times that of the pattern.
"""

from __future__ import annotations

import re
from typing import Callable, Union

from agent.language.patterns.classes import ASCII_CLASSES

_ANY = frozenset(range(256))
_Atom = frozenset[int]
Matcher = Callable[[bytes], bool]


class _NeverError(Exception):
    """The pattern is one that fnmatch(3) never matches."""


def compile_glob(pattern: bytes, *, ignore_case: bool = False) -> Matcher:
    """Return the test that a text matches ``pattern`` as a whole. No pattern is refused."""
    try:
        pieces = _split(pattern, ignore_case=ignore_case)
    except _NeverError:
        return _never
    if len(pieces) == 1:
        return _fixed(pieces[0])
    return _starred(pieces)


def _never(_text: bytes) -> bool:
    return False


def _split(pattern: bytes, *, ignore_case: bool) -> list[list[_Atom]]:
    """Cut at stars; each piece is a row of byte sets."""
    pieces: list[list[_Atom]] = [[]]
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        if byte == 0x2A:
            pieces.append([])
            at += 1
            continue
        atom, at = _atom(pattern, at, ignore_case=ignore_case)
        pieces[-1].append(atom)
    return pieces


def _atom(pattern: bytes, at: int, *, ignore_case: bool) -> tuple[_Atom, int]:
    byte = pattern[at]
    if byte == 0x3F:
        return _ANY, at + 1
    if byte == 0x5C:
        if at + 1 == len(pattern):
            raise _NeverError  # fnmatch(3): a trailing backslash loses
        return _one(pattern[at + 1], ignore_case=ignore_case), at + 2
    if byte == 0x5B:
        bracket = _bracket(pattern, at + 1, ignore_case=ignore_case)
        if bracket is not None:
            return bracket
    return _one(byte, ignore_case=ignore_case), at + 1


def _one(byte: int, *, ignore_case: bool) -> _Atom:
    if not ignore_case:
        return frozenset((byte,))
    return frozenset(bytes((byte,)).lower() + bytes((byte,)).upper())


def _bracket(pattern: bytes, at: int, *, ignore_case: bool) -> tuple[_Atom, int] | None:
    """Read a set whose ``[`` stands before ``at``; ``None`` if it is not closed."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    members = _Members(ignore_case=ignore_case)
    first = True
    while True:
        if at >= len(pattern):
            return None
        if pattern[at] == 0x5D and not first:
            break
        first = False
        next_at = members.read(pattern, at)
        if next_at is None:
            return None
        at = next_at
    return members.atom(negated=negated), at + 1


class _Members:
    """The bytes of one ``[…]``, collected item by item."""

    def __init__(self, *, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._bytes: set[int] = set()
        self._broken = False

    def read(self, pattern: bytes, at: int) -> int | None:
        """Take one item at ``at``; return the offset behind it, ``None`` if the set is cut off."""
        named = _class(pattern, at)
        if named is not None:
            name, at = named
            self._add_class(name)
            return at
        low = _element(pattern, at, starts=b".=")
        if low is None:
            return None
        start, at = low
        start = bytes((start,)).lower()[0] if self._ignore_case else start
        end = start
        if pattern[at : at + 1] == b"-" and pattern[at + 1 : at + 2] not in (b"]", b""):
            high = _element(pattern, at + 1, starts=b".")
            if high is None:
                return None
            end, at = high
        self._add_range(start, end)
        return at

    def _add_class(self, name: str) -> None:
        """Add a class, whatever the case of letters; an unknown one ends the set, as in fnmatch(3)."""
        if name in ASCII_CLASSES and name not in ("word", "ascii"):
            if not self._broken:
                self._bytes |= ASCII_CLASSES[name]
        else:
            self._broken = True

    def _add_range(self, start: int, end: int) -> None:
        if self._broken:
            return
        inside = range(start, end + 1)
        if self._ignore_case:
            self._bytes.update(byte for byte in range(256) if bytes((byte,)).lower()[0] in inside)
        else:
            self._bytes.update(inside)

    def atom(self, *, negated: bool) -> _Atom:
        """Return the bytes that the set takes."""
        if not negated:
            return frozenset(self._bytes)
        return frozenset() if self._broken else _ANY - self._bytes


def _element(pattern: bytes, at: int, *, starts: bytes) -> tuple[int, int] | None:
    """One byte of a set: plain, escaped, or as ``[.x.]`` or ``[=x=]`` where ``starts`` allows."""
    if pattern[at] == 0x5C:
        return (pattern[at + 1], at + 2) if at + 1 < len(pattern) else None
    if pattern[at] == 0x5B and pattern[at + 1 : at + 2] and pattern[at + 1] in starts:
        end = pattern[at + 1 : at + 2] + b"]"
        if pattern[at + 3 : at + 5] == end:
            return pattern[at + 2], at + 5
        if pattern.find(end, at + 2) < 0:
            return None
        raise _NeverError
    return pattern[at], at + 1


def _class(pattern: bytes, at: int) -> tuple[str, int] | None:
    """Read ``[:name:]``; ``None`` if there is none here."""
    if pattern[at : at + 2] != b"[:":
        return None
    end = at + 2
    while end < len(pattern) and 0x61 <= pattern[end] <= 0x7A:
        end += 1
    if pattern[end : end + 2] != b":]":
        return None
    return pattern[at + 2 : end].decode("ascii"), end + 2


_Piece = Union[bytes, "re.Pattern[bytes]"]


def _piece(atoms: list[_Atom]) -> _Piece:
    """Plain bytes where every atom is one byte, otherwise a fixed-length expression."""
    if all(len(atom) == 1 for atom in atoms):
        return bytes(next(iter(atom)) for atom in atoms)
    return re.compile(b"".join(_expression(atom) for atom in atoms), re.DOTALL)


def _expression(atom: _Atom) -> bytes:
    if len(atom) == 256:
        return b"."
    if not atom:
        return rb"[^\x00-\xff]"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(atom)) + b"]"


def _fixed(atoms: list[_Atom]) -> Matcher:
    piece = _piece(atoms)
    if isinstance(piece, bytes):
        return piece.__eq__
    full = piece.fullmatch
    return lambda text: full(text) is not None


def _starred(pieces: list[list[_Atom]]) -> Matcher:
    head, tail = pieces[0], pieces[-1]
    middle = [piece for piece in pieces[1:-1] if piece]
    shortest = sum(len(piece) for piece in pieces)
    starts, ends = _at_start(head), _at_end(tail)
    if not middle:
        return lambda text: len(text) >= shortest and starts(text) and ends(text)
    finders = [_finder(piece) for piece in middle]
    begin, back = len(head), len(tail)

    def match(text: bytes) -> bool:
        if len(text) < shortest or not starts(text) or not ends(text):
            return False
        at, limit = begin, len(text) - back
        for find in finders:
            at = find(text, at, limit)
            if at < 0:
                return False
        return True

    return match


def _at_start(atoms: list[_Atom]) -> Matcher:
    piece = _piece(atoms)
    if isinstance(piece, bytes):
        return lambda text: text.startswith(piece)
    match = piece.match
    return lambda text: match(text) is not None


def _at_end(atoms: list[_Atom]) -> Matcher:
    piece = _piece(atoms)
    if isinstance(piece, bytes):
        return lambda text: text.endswith(piece)
    size, full = len(atoms), piece.fullmatch
    return lambda text: full(text, len(text) - size) is not None


def _finder(atoms: list[_Atom]) -> Callable[[bytes, int, int], int]:
    """Return the search for a piece between two offsets: the offset behind it, or -1."""
    piece = _piece(atoms)
    if isinstance(piece, bytes):
        size = len(piece)

        def find_bytes(text: bytes, start: int, end: int) -> int:
            at = text.find(piece, start, end)
            return at + size if at >= 0 else -1

        return find_bytes
    search = piece.search

    def find(text: bytes, start: int, end: int) -> int:
        found = search(text, start, end)
        return found.end() if found else -1

    return find
