"""The adapter's functions about rules files, for ``run_cases.py``: ``load`` and ``util``."""

from __future__ import annotations

import re
from typing import Any

from agent.language import AppendOutput, LoadSettings, RulesFile, Selection
from agent.language import load as load_rules
from agent.language.conditions import canonical_text, parse_condition
from agent.language.decode import parse_priority
from agent.language.diagnostic import Diagnostic
from agent.language.lint import DEPRECATED_FIELDS, Linter, checks_of, field_names, transformer_names
from agent.language.macros import MacroError, MacroResolver, find_references
from agent.language.ruleset import Rule
from agent.language.selection import matches_wildcard
from agent.language.settings import ExtraField


def load(files: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
    loaded = load_rules(
        [RulesFile(file["name"], _content(file["content"])) for file in files], load_settings(settings)
    )
    answer: dict[str, Any] = {
        "loads": loaded.ruleset is not None,
        "files": [
            {
                "name": file.name,
                "errors": [_item(one) for one in file.errors],
                "warnings": [_item(one) for one in file.warnings],
            }
            for file in loaded.files
        ],
    }
    if loaded.ruleset is not None:
        missing = loaded.ruleset.plugins_missing
        answer["enabled_rules"] = len(loaded.ruleset.active_rules)
        answer["plugin_requirements_ok"] = not missing
        answer["plugin_requirements_error"] = missing[0] if missing else ""
        answer["rules"] = [_rule(rule) for rule in loaded.ruleset.rules]
    return answer


def _content(content: str | bytes | dict[str, str]) -> bytes:
    if isinstance(content, dict):
        return bytes.fromhex(content["hex"])
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content


def _item(one: Diagnostic) -> dict[str, Any]:
    chain = [[step.kind, step.name, step.place.line, step.place.column] for step in one.chain]
    return {"code": one.code, "message": one.message, "items": chain}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "enabled": rule.enabled,
        "priority": rule.priority,
        "source": rule.source,
        "condition_compiled": rule.canonical.decode("utf-8", "surrogateescape"),
        "output_compiled": rule.output_text,
    }


def load_settings(settings: dict[str, Any]) -> LoadSettings:
    """Settings by the keys of falco.yaml, as cases give them."""
    plugins = settings.get("plugins")
    return LoadSettings(
        priority=parse_priority(settings.get("priority", "debug")) or "Debug",
        rules=tuple(_selection(entry) for entry in settings.get("rules", ())),
        append_output=tuple(_append_output(entry) for entry in settings.get("append_output", ())),
        plugins=None if plugins is None else {one["name"]: one["version"] for one in plugins},
        first_error_only=True,
    )


def _selection(entry: dict[str, Any]) -> Selection:
    enable = "enable" in entry
    what = entry["enable" if enable else "disable"]
    return Selection(enable, what.get("rule"), what.get("tag"))


def _append_output(entry: dict[str, Any]) -> AppendOutput:
    match = entry.get("match", {})
    return AppendOutput(
        source=match.get("source", ""),
        rule=match.get("rule", ""),
        tags=frozenset(match.get("tags", ())),
        extra_output=entry.get("extra_output", ""),
        extra_fields=tuple(_extra_field(one) for one in entry.get("extra_fields", ())),
        suggested_output=entry.get("suggested_output", False),
    )


def _extra_field(one: str | dict[str, str]) -> ExtraField:
    if isinstance(one, str):
        return ExtraField(one, one, raw=True)
    ((name, text),) = one.items()
    return ExtraField(name, text, raw=False)


def util(given: dict[str, Any]) -> dict[str, Any]:
    return _UTILITIES[given["fn"]](given)


def _matches_wildcard(given: dict[str, Any]) -> dict[str, Any]:
    return {"value": matches_wildcard(given["pattern"], given["string"])}


def _condition_warnings(given: dict[str, Any]) -> dict[str, Any]:
    found = Linter().look(parse_condition(given["condition"]))
    codes = ["LOAD_UNSAFE_NA_CHECK"] * found.unsafe_na
    codes += ["LOAD_DEPRECATED_ITEM" for name in DEPRECATED_FIELDS if name in found.deprecated]
    return {"warns": bool(codes), "codes": sorted(set(codes))}


def _resolve_macros(given: dict[str, Any]) -> dict[str, Any]:
    parsed = {name: find_references(parse_condition(text)) for name, text in given["macros"].items()}
    condition = find_references(parse_condition(given["condition"]))
    known = [one.name for one in condition.references if one.name in parsed]
    answer = {"changed": bool(known), "resolved": sorted(set(known)), "unknown": []}
    try:
        resolved = MacroResolver(parsed).resolve(condition, lambda name: name in parsed)
    except MacroError as error:
        return {**answer, "unknown": [error.name], "condition": canonical_text(condition.tree).decode()}
    return {
        **answer,
        "resolved": sorted(resolved.macros),
        "condition": canonical_text(resolved.tree).decode(),
    }


def _condition_details(given: dict[str, Any]) -> dict[str, Any]:
    condition = parse_condition(given["condition"])
    macros = [one.name for one in find_references(condition).references]
    checks = list(checks_of(condition))
    return {
        "fields": sorted(
            {name for one in checks for side in (one.left, one.right) for name in field_names(side)}
        ),
        "operators": sorted({one.op for one in checks}),
        "transformers": sorted(
            {name for one in checks for side in (one.left, one.right) for name in transformer_names(side)}
        ),
        "macros": sorted({name for name in macros if name in given["known_macros"]}),
        "lists": sorted(
            name for name in given["known_lists"] if re.search(rf"\b{re.escape(name)}\b", given["condition"])
        ),
    }


_UTILITIES = {
    "matches_wildcard": _matches_wildcard,
    "condition_warnings": _condition_warnings,
    "resolve_macros": _resolve_macros,
    "condition_details": _condition_details,
}
