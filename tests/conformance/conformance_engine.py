"""The compiler and the engine through the conformance cases' adapter functions."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import time
from typing import Any

from conformance_language import compile_typed

from agent.alert import PRIORITIES
from agent.alert_line import LineFormat, json_line, text_line
from agent.compiler.dag import Graph
from agent.compiler.engine import Engine, EngineSettings
from agent.compiler.formatter import Formatter
from agent.compiler.predicate import Writer
from agent.compiler.transformers import transformer
from agent.event import Event
from agent.fields.catalogue import CATALOGUE, FieldInfo
from agent.fields.types import Type
from agent.language import load, typed
from agent.language.event_types import EventTypes
from agent.language.output import OutputError, parse_output
from agent.language.parser import parse
from agent.language.settings import AppendOutput, ExtraField, LoadSettings, Selection
from agent.language.source import RulesFile

INDEXED = re.compile(r"(proc\.a[a-z]+)\[([0-9]+)\]")
TIMES = ("evt.time", "evt.time.s", "evt.time.iso8601", "evt.datetime")


def to_bytes(text: str | bytes | dict[str, str]) -> bytes:
    if isinstance(text, dict):
        return bytes.fromhex(text["hex"])
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def to_value(value: Any, type_: Type) -> Any:
    """A case's value as an event holds it."""
    if isinstance(value, list):
        return tuple(to_value(item, Type(type_.name)) for item in value)
    if type_.name in ("IPADDR", "IPNET"):
        return ipaddress.ip_address(value).packed
    return to_bytes(value) if isinstance(value, str) else value


def evaluate(condition: str | bytes, values: dict[str, Any], field_types: dict[str, str]) -> bool:
    tree = compile_typed(condition, field_types)
    fields = {name: to_value(value, Type.parse(field_types[name])) for name, value in values.items()}
    event = Event("", fields)
    match = Writer([(0, Graph().build(tree, lambda _check: None))], first=True).compile("a case")
    return bool(match(event))


def transform(name: str, value: Any) -> Any:
    type_ = Type("CHARBUF", is_list=isinstance(value, list))
    given = tuple(value) if isinstance(value, list) else value
    field = typed.Field("x", type_, FieldInfo("x", type_))
    result = transformer(typed.Transform(name, (field,), type_))(given)
    return list(result) if isinstance(result, tuple) else result


def format(fmt: str | bytes, fields: dict[str, dict[str, Any]], json: bool) -> dict[str, Any]:  # noqa: A001, FBT001
    try:
        formatter = Formatter(parse_output(to_bytes(fmt)), as_falco=True)
    except OutputError as error:
        return {"ok": False, "error": str(error), "complete": False, "output": ""}
    event = Event("", {name: field_value(given) for name, given in fields.items()})
    if not json:
        filled = formatter.fill(event)
        return {"ok": True, "error": None, "complete": filled.complete, "output": filled.text}
    found, complete = formatter.values(event)
    return {"ok": True, "error": None, "complete": complete, "output": dump(found) if found else "null"}


def field_value(given: dict[str, Any]) -> Any:
    """The value of a field of which a case tells text and JSON."""
    if given["type"] == "IPADDR":
        return ipaddress.ip_address(given["text"]).packed
    if isinstance(given["json"], list):
        return tuple(to_bytes(item) if isinstance(item, str) else item for item in given["json"])
    return to_bytes(given["text"]) if isinstance(given["json"], (str, dict)) else given["json"]


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def event_types(condition: str, universe: frozenset[str]) -> set[str]:
    tree = parse(to_bytes(condition))
    found = set(EventTypes(CATALOGUE.event_types | universe).declared(tree))
    if (
        "accept" in found and "container" not in universe
    ):  # asked for system calls: accept stands for accept4 too
        found.add("accept4")
    return found & universe


def run(
    rules_files: list[dict[str, str]], events: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, Any]:
    os.environ["TZ"] = "UTC"
    time.tzset()
    files = [RulesFile(item["name"], to_bytes(item["content"])) for item in rules_files]
    loaded = load(files, load_settings(settings))
    if loaded.ruleset is None:
        raise ValueError(loaded.errors[0].message)
    matching = settings.get("rule_matching", "first")
    engine = Engine.build(
        loaded.ruleset, EngineSettings(rule_matching=matching, hostname=settings.get("hostname", ""))
    )
    line = LineFormat(
        json_include_output=settings.get("json_include_output_property", True),
        json_include_message=settings.get("json_include_message_property", False),
        json_include_tags=settings.get("json_include_tags_property", True),
        json_include_output_fields=settings.get("json_include_output_fields_property", True),
        time_format_iso_8601=settings.get("time_format_iso_8601", False),
    )
    show = json_line if settings.get("json_output") else text_line
    counts = {rule.rule.name: 0 for rule in engine.rules}
    lines = []
    for number, given in enumerate(events, 1):
        for alert in engine.match(event_of(given, number)):
            counts[alert.rule] += 1
            lines.append(show(alert, line))
    return {"counts": counts, "lines": lines}


def event_of(given: dict[str, Any], number: int) -> Event:
    fields: dict[str, Any] = {}
    for name, value in given.items():
        info = CATALOGUE.field(name)
        fields[name] = to_value(value, info.type if info else Type("CHARBUF"))
    time_ns = int(given.get("evt.rawtime", 0))
    return Event(str(given["evt.type"]), fields, time_ns=time_ns, number=number)


def load_settings(settings: dict[str, Any]) -> LoadSettings:
    return LoadSettings(
        priority=priority(settings.get("priority", "debug")),
        rules=tuple(selection(item) for item in settings.get("rules") or ()),
        append_output=tuple(append_output(item) for item in settings.get("append_output") or ()),
    )


def priority(text: str) -> str:
    name = {"info": "informational"}.get(text.lower(), text.lower())
    return next(item for item in PRIORITIES if item.lower() == name)


def selection(item: dict[str, dict[str, str]]) -> Selection:
    ((action, what),) = item.items()
    return Selection(enable=action == "enable", rule=what.get("rule"), tag=what.get("tag"))


def append_output(item: dict[str, Any]) -> AppendOutput:
    match = item.get("match") or {}
    return AppendOutput(
        source=match.get("source", ""),
        rule=match.get("rule", ""),
        tags=frozenset(match.get("tags") or ()),
        extra_output=item.get("extra_output", ""),
        extra_fields=tuple(extra_field(entry) for entry in item.get("extra_fields") or ()),
        suggested_output=bool(item.get("suggested_output")),
    )


def extra_field(entry: str | dict[str, str]) -> ExtraField:
    if isinstance(entry, str):
        return ExtraField(entry, entry, raw=True)
    ((name, text),) = entry.items()
    return ExtraField(name, text, raw=False)
