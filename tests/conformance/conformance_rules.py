"""The adapter's function about rules files, for ``run_cases.py``: ``load``."""

from __future__ import annotations

from typing import Any

from agent.language import AppendOutput, LoadSettings, RulesFile, Selection
from agent.language import load as load_rules
from agent.language.decode import parse_priority
from agent.language.diagnostic import Diagnostic
from agent.language.ruleset import Rule
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
