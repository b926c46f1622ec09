"""The functions through which ``run_cases.py`` of the compatibility data runs its cases.

Each room has a module of its own beside this one.
"""

from __future__ import annotations

from conformance_config import config
from conformance_engine import evaluate, event_types, format, run, transform  # noqa: A004 # the adapter's names
from conformance_language import compile, escape, parse, unescape  # noqa: A004 # the adapter's names
from conformance_rules import load

__all__ = [
    "compile",
    "config",
    "escape",
    "evaluate",
    "event_types",
    "format",
    "load",
    "parse",
    "run",
    "transform",
    "unescape",
]
