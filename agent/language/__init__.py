"""The Falco rule language: text to typed rules, or diagnostics with file, line and column. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from agent.language.diagnostic import Diagnostic
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


def load(files: Sequence[RulesFile], settings: LoadSettings | None = None) -> Loaded:
    """Load ``files`` in order.

    Never raises for what is in the files: that becomes diagnostics. As in Falco each file must load with
    those before it: a file may not use what only a later one defines.
    """
    # The grammar and YAML take 10 MB that a running agent, which imports this package, must not spend.
    from agent.language.loading import load as load_files

    return load_files(files, settings)
