"""Lay a condition out over lines without changing a single token of it.

Only blanks between tokens change. What is in quotes stays as it is, and a bracket that touches the word
before it goes on touching it: ``tolower(proc.name)`` is not ``tolower (proc.name)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.language.conditions import parse_condition
from agent.language.errors import ConditionError

WIDTH = 100
"""Longest line, in characters, where there is a place to break it."""
INDENT = "  "

_TOKEN = re.compile(
    r""""(?:[^"\0]|(?<=\\)")*?(?<!\\)"|'(?:[^'\0]|(?<=\\)')*?(?<!\\)'|[!<>]?==?|[()\[\],]|[^()\[\]"'\s=,!<>]+|[!<>]""",
    re.DOTALL,
)
_JOINS = ("and", "or")


@dataclass(frozen=True)
class _Token:
    text: str
    spaced: bool
    """Whether a blank stands before it."""


def one_line(condition: str) -> str | None:
    """Return the condition on one line, or ``None`` if it cannot be laid out safely."""
    tokens = _tokens(condition)
    return None if tokens is None else _text(tokens)


def lines(condition: str) -> list[str] | None:
    """Return the condition broken before ``and`` and ``or``, or ``None`` if it cannot be laid out safely."""
    tokens = _tokens(condition)
    return None if tokens is None else _broken(tokens, 0)


def _tokens(condition: str) -> list[_Token] | None:
    tokens = _split(condition)
    if tokens is None:
        return None
    pretty = _spaced(tokens)
    return pretty if _same_meaning(condition, _text(pretty)) else None


def _split(condition: str) -> list[_Token] | None:
    tokens: list[_Token] = []
    at = 0
    while at < len(condition):
        start = at
        while at < len(condition) and condition[at] in " \t\r\n\b":
            at += 1
        if at == len(condition):
            break
        found = _TOKEN.match(condition, at)
        if found is None:
            return None
        tokens.append(_Token(found[0], spaced=at > start and bool(tokens)))
        at = found.end()
    return tokens


def _spaced(tokens: list[_Token]) -> list[_Token]:
    """Put one blank around comparison signs and after commas, none inside brackets."""
    pretty: list[_Token] = []
    for number, token in enumerate(tokens):
        before = tokens[number - 1].text if number else ""
        spaced = token.spaced
        if number == 0 or before == "(" or token.text in {")", ","}:
            spaced = False
        elif before == "," or _is_sign(token.text) or _is_sign(before):
            spaced = True
        pretty.append(_Token(token.text, spaced))
    return pretty


def _is_sign(text: str) -> bool:
    return text in {"=", "==", "!=", "<=", ">="}


def _text(tokens: list[_Token]) -> str:
    return "".join((" " if token.spaced else "") + token.text for token in tokens)


def _same_meaning(before: str, after: str) -> bool:
    """Whether two texts have the same tree. Text to append to another condition is tried as such."""
    for prefix in ("", "evt.num exists "):
        try:
            first = parse_condition(prefix + before)
            return first == parse_condition(prefix + after) and _literals(before) == _literals(after)
        except ConditionError:
            continue
    return False


def _literals(text: str) -> list[str]:
    """Return the tokens alone: quotes decide what a list name is, and trees do not compare them."""
    tokens = _split(text)
    return [] if tokens is None else [token.text for token in tokens]


def _broken(tokens: list[_Token], depth: int) -> list[str]:
    """Break into operands; an operand that is too long breaks inside its brackets."""
    found: list[str] = []
    for operand in _operands(tokens):
        text = _text(operand).lstrip()
        if len(text) + depth * len(INDENT) <= WIDTH:
            found.append(INDENT * depth + text)
        else:
            found += _opened(operand, depth)
    return found


def _operands(tokens: list[_Token]) -> list[list[_Token]]:
    """Split before every ``and`` and ``or`` that is in no bracket."""
    parts: list[list[_Token]] = [[]]
    level = 0
    for token in tokens:
        level += (token.text == "(") - (token.text == ")")
        if level == 0 and token.text in _JOINS and token.spaced and parts[-1]:
            parts.append([])
        parts[-1].append(token)
    return parts


def _opened(operand: list[_Token], depth: int) -> list[str]:
    """Lay out an operand with the inside of its outermost condition bracket one step further in."""
    start = next((n for n, token in enumerate(operand) if token.text == "(" and _is_group(operand, n)), None)
    if start is None:
        return [INDENT * depth + _text(operand).lstrip()]
    end = _closing(operand, start)
    inside = operand[start + 1 : end]
    if len(_operands(inside)) == 1 and not any(token.text == "(" for token in inside):
        return [INDENT * depth + _text(operand).lstrip()]
    head = INDENT * depth + _text(operand[: start + 1]).lstrip()
    tail = INDENT * depth + _text(operand[end:]).lstrip()
    return [head, *_broken(inside, depth + 1), tail]


def _is_group(tokens: list[_Token], number: int) -> bool:
    """Whether a bracket groups conditions: not the list of ``in (…)``, not a transformer's."""
    if number == 0:
        return True
    before = tokens[number - 1].text
    return before in {"and", "or", "not", "("}


def _closing(tokens: list[_Token], start: int) -> int:
    level = 0
    for number in range(start, len(tokens)):
        level += (tokens[number].text == "(") - (tokens[number].text == ")")
        if level == 0:
            return number
    return len(tokens) - 1
