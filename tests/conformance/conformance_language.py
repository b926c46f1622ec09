"""Conformance functions of the language: parse, escape, unescape, compile."""

from __future__ import annotations

from typing import Any

from agent.language.canonical import canonical
from agent.language.errors import ConditionSyntaxError, line_and_column
from agent.language.escape import escape, unescape
from agent.language.parser import parse as parse_condition

__all__ = ["escape", "parse", "unescape"]


def as_bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def parse(condition: str | bytes) -> dict[str, Any]:
    text = as_bytes(condition)
    try:
        tree = parse_condition(text, depth_limit=100)
    except ConditionSyntaxError as error:
        pos = (error.pos, *line_and_column(text, error.pos))
        return {"ok": False, "canonical": None, "error": str(error), "pos": pos}
    return {"ok": True, "canonical": canonical(tree), "error": None, "pos": None}
