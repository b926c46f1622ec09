"""The Falco rule language: text to typed rules, or diagnostics with file, line and column. No I/O."""

from __future__ import annotations

from agent.language.diagnostic import Diagnostic
from agent.language.load import load
from agent.language.ruleset import Loaded, Rule, Ruleset
from agent.language.settings import AppendOutput, ExtraField, LoadSettings, Selection
from agent.language.source import RulesFile

__all__ = [
    "AppendOutput",
    "Diagnostic",
    "ExtraField",
    "LoadSettings",
    "Loaded",
    "Rule",
    "RulesFile",
    "Ruleset",
    "Selection",
    "load",
]
