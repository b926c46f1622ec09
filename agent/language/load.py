"""Load rules files: text in, ruleset or diagnostics out."""

from __future__ import annotations

from collections.abc import Sequence

from agent.language.ruleset import Loaded, Ruleset
from agent.language.settings import LoadSettings
from agent.language.source import RulesFile


def load(files: Sequence[RulesFile], settings: LoadSettings | None = None) -> Loaded:
    """Load ``files`` in order.

    Never raises for what is in the files: that becomes diagnostics.
    """
    del files, settings
    return Loaded(ruleset=Ruleset())
