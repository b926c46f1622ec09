"""Values of tokens: what the lexer does with a token before the parser sees it.

A token that matches its terminal but is wrong inside (an escape that does not exist, a
broken list) gets the type ``BAD …``, which no rule takes, and the error as its value.
"""

from __future__ import annotations

import re
from typing import Callable

from lark import Token

from agent.language import tree
from agent.language.errors import ConditionSyntaxError
from agent.language.escape import EscapeError, unescape

BAD = "BAD "
"""Prefix of the type of a token that is wrong inside."""

# Ends at the first quote of its kind that no backslash precedes; a NUL ends the search.
QUOTED = r""""[^"\x00]*(?:(?<=\\)"[^"\x00]*)*(?<!\\)"|'[^'\x00]*(?:(?<=\\)'[^'\x00]*)*(?<!\\)'"""
_BLANKS = re.compile(r"[ \t\x08\r\n]*")
_ITEM = re.compile(rf"((?:{QUOTED})|[^()\"' \t\n\x0b\x0c\r=,]+)[ \t\x08\r\n]*")
_COMMA = re.compile(r",[ \t\x08\r\n]*")


def skip_blanks(text: str, pos: int) -> int:
    """Return the first position from ``pos`` on that is no blank."""
    match = _BLANKS.match(text, pos)
    return pos if match is None else match.end()


def scan_list(text: str, start: int = 0, offset: int = 0) -> tree.LiteralList:
    """Read the list that begins with the bracket at ``start``.

    ``offset`` is added to every position. Raises ConditionSyntaxError.
    """
    items: list[tree.Literal] = []
    pos = skip_blanks(text, start + 1)
    item = _ITEM.match(text, pos)
    while item is not None:
        items.append(_literal(item, offset))
        pos = item.end()
        comma = _COMMA.match(text, pos)
        if comma is None:
            break
        pos = comma.end()
        item = _ITEM.match(text, pos)
        if item is None:
            raise ConditionSyntaxError("expected a string value", pos + offset)
    if not text.startswith(")", pos):
        raise ConditionSyntaxError("expected a ')' token", pos + offset)
    return tree.LiteralList(tuple(items), start + offset)


def _literal(item: re.Match[str], offset: int) -> tree.Literal:
    value = item.group(1).encode("latin-1")
    quoted = value[:1] in (b'"', b"'")
    if quoted:
        try:
            value = unescape(value)
        except EscapeError as error:
            raise ConditionSyntaxError(str(error), item.end(1) + offset) from None
    return tree.Literal(value, item.start() + offset, quoted)


def _bad(token: Token, error: ConditionSyntaxError) -> Token:
    token.type = BAD + token.type
    token.value = error
    return token


def _quoted(token: Token) -> Token:
    try:
        token.value = unescape(token.encode("latin-1"))
    except EscapeError as error:
        return _bad(token, ConditionSyntaxError(str(error), token.end_pos or 0))
    return token


def _bracketed(token: Token) -> Token:
    """``a.b[x]`` and ``)[x]``: the value is the text before the bracket, and the argument or None."""
    name, bracket, arg = str(token).partition("[")
    value: bytes | None = arg[:-1].encode("latin-1") if bracket else None
    if value is not None and value[:1] in (b'"', b"'"):
        try:
            value = unescape(value)
        except EscapeError as error:
            return _bad(token, ConditionSyntaxError(str(error), (token.end_pos or 1) - 1))
    token.value = (name, value)
    return token


def _list(token: Token) -> Token:
    try:
        token.value = scan_list(token, 0, token.start_pos or 0)
    except ConditionSyntaxError as error:
        return _bad(token, error)
    return token


CALLBACKS: dict[str, Callable[[Token], Token]] = {
    "QUOTED": _quoted,
    "FIELD": _bracketed,
    "RPAR_ARG": _bracketed,
    "LIST": _list,
}
