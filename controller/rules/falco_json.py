"""Results of loading in the shape of Falco's ``-V -o json_output=true``, which CI tools read."""

from __future__ import annotations

from typing import Any

from agent.language.diagnostic import Diagnostic
from agent.language.ruleset import Loaded
from agent.language.source import Location

DESCRIPTIONS = {
    "LOAD_ERR_FILE_READ": "File read error",
    "LOAD_ERR_YAML_PARSE": "YAML parse error",
    "LOAD_ERR_YAML_VALIDATE": "Error validating internal structure of YAML file",
    "LOAD_ERR_COMPILE_CONDITION": "Error compiling condition",
    "LOAD_ERR_COMPILE_OUTPUT": "Error compiling output",
    "LOAD_ERR_VALIDATE": "Error validating rule/macro/list/exception objects",
    "LOAD_ERR_EXTENSION": "Error in extension item",
    "LOAD_UNKNOWN_SOURCE": "Unknown event source",
    "LOAD_UNSAFE_NA_CHECK": "Unsafe <NA> comparison in condition",
    "LOAD_NO_EVTTYPE": "Condition has no event-type restriction",
    "LOAD_UNKNOWN_FILTER": "Unknown field or event-type in condition or output",
    "LOAD_UNUSED_MACRO": "Unused macro",
    "LOAD_UNUSED_LIST": "Unused list",
    "LOAD_UNKNOWN_ITEM": "Unknown rules file item",
    "LOAD_DEPRECATED_ITEM": "Used deprecated item",
    "LOAD_WARNING_EXTENSION": "Warning in extension item",
    "LOAD_APPEND_NO_VALUES": "Overriding/appending with no values",
    "LOAD_EXCEPTION_NAME_NOT_UNIQUE": "Multiple exceptions defined with the same name",
    "LOAD_INVALID_MACRO_NAME": "Invalid macro name",
    "LOAD_INVALID_LIST_NAME": "Invalid list name",
    "LOAD_COMPILE_CONDITION": "Warning in rule condition",
    "LOAD_UNKNOWN_KEY": "Unknown key in item definition",
}
"""Code to the short text that Falco prints with it."""


def load_results(loaded: Loaded) -> dict[str, Any]:
    """Return ``falco_load_results``, with every error of a file. ``place`` and ``help`` are ours."""
    return {
        "falco_load_results": [
            {
                "name": file.name,
                "successful": not file.errors,
                "errors": [_item(item) for item in file.errors],
                "warnings": [_item(item) for item in file.warnings],
            }
            for file in loaded.files
        ]
    }


def _item(item: Diagnostic) -> dict[str, Any]:
    return {
        "code": item.code,
        "codedesc": DESCRIPTIONS[item.code],
        "message": item.message,
        "context": {"locations": [_location(step) for step in item.chain], "snippet": item.snippet},
        "place": {"file": item.file, "line": item.place.line + 1, "column": item.place.column + 1},
        "help": item.hint,
    }


def _location(step: Location) -> dict[str, Any]:
    position = {
        "name": step.file,
        "line": step.place.line,
        "column": step.place.column,
        "offset": step.offset,
    }
    return {"item_type": step.kind, "item_name": step.name, "position": position}
