"""Falco's ``falco.yaml``: text to typed settings, or problems with file, line and column.

:mod:`agent.config.read` reads it; the daemon only needs the settings, and no YAML.
"""

from __future__ import annotations

from agent.config.problem import ConfigError, Problem
from agent.config.settings import Config

__all__ = ["Config", "ConfigError", "Problem"]
