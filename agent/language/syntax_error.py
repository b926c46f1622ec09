"""Say what is wrong where the condition parser stopped, in upstream's words.

The LALR parser knows where it stopped and which terminals it would have taken. Upstream's
parser is recursive descent and names what the function it was in expected; the terminals
tell which function that is.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from agent.language.errors import ConditionSyntaxError
from agent.language.escape import EscapeError, unescape
from agent.language.lexing import QUOTED, scan_list
from agent.language.operators import OPERATORS, RIGHT_TRANSFORMERS

MAX_SHOWN = 300
"""Most of a token that a message repeats, in bytes."""

_ARGUMENT = re.compile(rf"\[({QUOTED}|[^\]\[\"' \t\n\x0b\x0c\r]+)")
_WORD_AND_OR = re.compile(r"and|or")


def _names(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_OR_TRANSFORMER = "field with a valid transformer: " + _names(RIGHT_TRANSFORMERS)
_EXPECTED = (
    # (a terminal that only this state takes, what upstream says there)
    ("IDENTIFIER LPAR", "expected a '(' token, a field check, or an identifier"),
    ("EXISTS", "expected a valid check operator: one of " + _names(OPERATORS)),
    ("BARE", "expected a string value or a " + _OR_TRANSFORMER),
    ("LIST", "expected a list, an identifier, or a " + _OR_TRANSFORMER),
    ("NUMBER VAL", "expected a number value or a " + _OR_TRANSFORMER),
    (
        "NUMBER LPAR",
        "expected field transformer argument: field, transformer, quoted string, number, or transformer list",
    ),
    (
        "NUMBER",
        "expected transformer list argument: field, transformer, quoted string, or number",
    ),
    ("FIELD", "expected a field within 'val' transformer"),
)


def explain(text: str, pos: int, allowed: Collection[str], last: str) -> ConditionSyntaxError:
    """Return the error for a parser that stopped at ``pos``.

    ``allowed`` holds the terminals it would have taken, ``last`` is the token before, as upstream
    remembers it (unescaped).
    """
    if "LIST" in allowed and text.startswith("(", pos):
        return _explain_list(text, pos)
    for terminals, message in _EXPECTED:
        if all(terminal in allowed for terminal in terminals.split()):
            return ConditionSyntaxError(message, pos)
    return _explain_end(text, pos, allowed, last)


def _explain_list(text: str, pos: int) -> ConditionSyntaxError:
    """Read a list of which the lexer found no end, until it breaks."""
    try:
        scan_list(text, pos)
    except ConditionSyntaxError as error:
        return error
    return ConditionSyntaxError("expected a ')' token", pos)


def explain_argument(text: str, pos: int) -> ConditionSyntaxError:
    """Return what is wrong with the argument of a field or transformer whose bracket stands at ``pos``."""
    match = _ARGUMENT.match(text, pos)
    if match is None:
        return ConditionSyntaxError(
            "expected a valid field argument: a quoted string or a bare string", pos + 1
        )
    try:
        if match.group(1)[0] in "\"'":
            unescape(match.group(1).encode("latin-1"))
    except EscapeError as error:
        return ConditionSyntaxError(str(error), match.end())
    return ConditionSyntaxError("expected a ']' token", match.end())


def _explain_end(text: str, pos: int, allowed: Collection[str], last: str) -> ConditionSyntaxError:
    """Something stands where a condition, an argument or the whole text could end."""
    if "_AND" not in allowed and "_RPAR" in allowed:
        return ConditionSyntaxError(_closing(allowed), pos)
    word = _WORD_AND_OR.match(text, pos)
    if word is not None:
        return ConditionSyntaxError(f"expected blank or '(' after '{word.group()}'", word.end())
    if "_RPAR" in allowed:
        return ConditionSyntaxError("expected a ')' token", pos)
    shown = last[:MAX_SHOWN].encode("latin-1").decode("utf-8", "backslashreplace")
    return ConditionSyntaxError(f"unexpected token after '{shown}', expecting 'or', 'and'", pos)


def _closing(allowed: Collection[str]) -> str:
    if "RPAR_ARG" in allowed:
        return "expected a ')' token closing the transformer"
    return "expected ')'" if "_COMMA" in allowed else "expected a ')' token"
