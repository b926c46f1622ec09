"""Parse a condition: bytes in, condition tree out, or one located error.

The grammar is ``condition.lark``. Parsing takes time and memory in proportion to the text,
whatever the text is; nothing recurses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from agent.language import tree
from agent.language.builder import Part, callbacks
from agent.language.errors import ConditionSyntaxError
from agent.language.escape import unescape
from agent.language.lexing import BAD, CALLBACKS, QUOTED, skip_blanks
from agent.language.syntax_error import MAX_SHOWN, explain, explain_argument

DEPTH_LIMIT = 1000
"""Upstream's limit for rules files (about 199 brackets); its parser's own default is 100."""
MAX_TEXT = 2 * 1024 * 1024
"""Longest condition accepted, in bytes. The worst of that size takes seconds and some 200 MB."""
MAX_QUOTES = 200_000
"""Most quotes in a condition: the lexer's regular expressions remember each of them."""

_DELIMITER = re.compile(r"[()\"' \t\n\x0b\x0c\r=,]")
_OPENING = frozenset({"LPAR", "_OR_PAR", "_AND_PAR", "NOT_PAR", "TRANSFORMER", "VAL"})
_QUOTED = re.compile(QUOTED)
_BRACKET = re.compile(rf"{QUOTED}|[()]")


def parse(text: bytes, depth_limit: int = DEPTH_LIMIT) -> tree.Condition:
    """Return the tree of condition ``text``. Raises ConditionSyntaxError."""
    if not text:
        raise ConditionSyntaxError("filter input string is empty", 0)
    if len(text) > MAX_TEXT:
        raise ConditionSyntaxError(
            f"condition of {len(text)} bytes is over the limit of {MAX_TEXT}", MAX_TEXT
        )
    if text.count(b'"') + text.count(b"'") > MAX_QUOTES:
        raise ConditionSyntaxError(f"condition has more than {MAX_QUOTES} quotes", 0)
    characters = text.decode("latin-1")
    _refuse_tower(characters, depth_limit)
    try:
        part = cast("Part", _parser().parse(characters))
    except UnexpectedInput as error:
        raise _located(characters, error) from None
    if part.depth >= depth_limit:
        raise _too_deep(depth_limit, 0)
    return cast("tree.Condition", part.node)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = (Path(__file__).parent / "condition.lark").read_text(encoding="ascii")
    return Lark(
        grammar, parser="lalr", lexer="contextual", transformer=callbacks(), lexer_callbacks=dict(CALLBACKS)
    )


def _refuse_tower(text: str, depth_limit: int) -> None:
    """Refuse nesting that is certainly too deep before anything grows with it.

    A bracket of any kind costs upstream's parser two levels or more, except one around a list.
    """
    if text.count("(") <= depth_limit // 2:
        return
    depth = 0
    for bracket in _BRACKET.finditer(text):
        if bracket.group() == "(":
            depth += 1
            if depth > depth_limit // 2 + 1:
                raise _too_deep(depth_limit, bracket.start())
        elif bracket.group() == ")":
            depth -= 1


def _too_deep(depth_limit: int, pos: int) -> ConditionSyntaxError:
    return ConditionSyntaxError(f"exceeded max depth limit of {depth_limit}", pos)


def _located(text: str, error: UnexpectedInput) -> ConditionSyntaxError:
    """Say what upstream says where the parser stopped."""
    allowed = _accepted(error)
    history = getattr(error, "token_history", None)
    last = history[-1] if history else None
    if isinstance(error, UnexpectedToken):
        token = error.token
        if token.type.startswith(BAD) and token.type[len(BAD) :] in allowed:
            return cast("ConditionSyntaxError", token.value)
        pos = len(text) if token.type == "$END" else cast("int", token.start_pos)
    else:
        pos = cast("int", cast("UnexpectedCharacters", error).pos_in_stream)
    if last is not None and text.startswith("[", last.end_pos) and _takes_argument(last, error):
        return explain_argument(text, cast("int", last.end_pos))
    return explain(text, skip_blanks(text, pos), allowed, _remembered(text, last, pos))


def _takes_argument(last: Token, error: UnexpectedInput) -> bool:
    """Say whether a bracket after the last token is an argument: after a field, a transformer or ``val``."""
    if last.type == "FIELD":
        return cast("tuple[str, bytes | None]", last.value)[1] is None
    state: Any = error.interactive_parser  # set by the LALR parser
    opened = [value for value in state.parser_state.value_stack if getattr(value, "type", "") in _OPENING]
    return last.type == "_RPAR" and bool(opened) and opened[-1].type in ("TRANSFORMER", "VAL")


def _accepted(error: UnexpectedInput) -> frozenset[str]:
    """Return the terminals that the parser would have taken, which is less than the lexer tried."""
    interactive: Any = error.interactive_parser  # set by the LALR parser
    return frozenset(interactive.accepts())


def _remembered(text: str, last: Token | None, pos: int) -> str:
    """Return the last token as upstream remembers it: strings without quotes, only the end of brackets."""
    if last is None:  # the parser stopped, not the lexer
        before = text[max(0, pos - MAX_SHOWN) : pos].rstrip(" \t\b\r\n")
        if before.endswith(('"', "'")):
            *_, quoted = _QUOTED.finditer(text, 0, pos)
            return unescape(quoted.group().encode("latin-1")).decode("latin-1")
        return _DELIMITER.split(before)[-1] or before[-1:]
    if last.type == "QUOTED":
        return cast("bytes", last.value).decode("latin-1")
    return {"LIST": ")", "RPAR_ARG": "]"}.get(last.type, str(last))
