"""Falco's ``falco.yaml``: text to typed settings, or problems with file, line and column."""

from __future__ import annotations

from agent.config.problem import ConfigError, Problem
from agent.config.read import Loaded, read
from agent.config.settings import Config

__all__ = ["Config", "ConfigError", "Loaded", "Problem", "read"]
