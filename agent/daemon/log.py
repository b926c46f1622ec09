"""The daemon's own log: ``log_level``, ``log_stderr``, ``log_syslog`` of falco.yaml."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from pathlib import Path

from agent.config import Config

_LEVELS = {
    "emergency": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class _Escaping(logging.Formatter):
    """What an attacker wrote into a name never reaches a terminal as control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))


def escaped(text: str) -> str:
    """Return ``text`` with control characters, but for tab and newline, made visible."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def begin() -> None:
    """Log to stderr until a configuration says otherwise."""
    _handle(logging.INFO, [logging.StreamHandler(sys.stderr)])


def follow(config: Config) -> None:
    """Log as the configuration says."""
    handlers: list[logging.Handler] = []
    if config.log_stderr:
        handlers.append(logging.StreamHandler(sys.stderr))
    if config.log_syslog and Path("/dev/log").exists():
        handlers.append(logging.handlers.SysLogHandler("/dev/log"))
    _handle(_LEVELS[config.log_level], handlers)


def _handle(level: int, handlers: list[logging.Handler]) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    for handler in handlers or [logging.NullHandler()]:
        handler.setFormatter(_Escaping("%(asctime)s %(levelname)s %(message)s"))
        root.addHandler(handler)
    root.setLevel(level)
