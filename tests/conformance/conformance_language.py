"""Conformance functions of the language: parse, escape, unescape, compile."""

from __future__ import annotations

from typing import Any

from agent.fields.catalogue import CATALOGUE, Catalogue, FieldInfo
from agent.fields.types import Type
from agent.language import typed
from agent.language.canonical import canonical
from agent.language.check import check
from agent.language.errors import ConditionSyntaxError, line_and_column
from agent.language.escape import escape, unescape
from agent.language.parser import parse as parse_condition

__all__ = ["compile", "escape", "parse", "unescape"]


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


def catalogue_of(field_types: dict[str, str]) -> Catalogue:
    """The engine's catalogue with the mock fields of a case, of which ``t.net`` is flagged."""
    return CATALOGUE.with_fields(
        FieldInfo(name, Type.parse(text), no_rhs=name == "t.net", no_transformer=name == "t.net")
        for name, text in field_types.items()
    )


def compile_typed(condition: str | bytes, field_types: dict[str, str]) -> typed.Condition:
    """Parse and check a condition as Falco does; ValueError with upstream's text if it is refused.

    Integer constants wrap, as Falco's do: the cases record that. Tercel's own default is to refuse
    them, which ``tests/language/test_check.py`` holds.
    """
    text = as_bytes(condition)
    try:
        parsed = parse_condition(text)
    except ConditionSyntaxError as error:
        line, column = line_and_column(text, error.pos)
        place = f"filter error at index {error.pos}, line {line}, column {column}"
        raise ValueError(f"{place}: {error}") from None
    checked = check(parsed, catalogue_of(field_types), wrap_integers=True)
    if checked.condition is None:
        raise ValueError(checked.problems[0].message)
    return checked.condition


def compile(condition: str | bytes, field_types: dict[str, str]) -> dict[str, Any]:  # noqa: A001 # the adapter's name
    try:
        compile_typed(condition, field_types)
    except ValueError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "error": None}
