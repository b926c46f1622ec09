"""The functions through which ``run_cases.py`` of the compatibility data runs its cases.

Each room has a module of its own beside this one.
"""

from __future__ import annotations

from conformance_language import escape, parse, unescape

__all__ = ["escape", "parse", "unescape"]
