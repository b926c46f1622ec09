"""An alert: a rule matched an event. Falco's JSON line, and what tercel adds for the way up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ("Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug")
"""Falco's priorities, most urgent first. A priority's number is its index."""


@dataclass(frozen=True)
class Alert:
    """One alert as Falco prints it."""

    rule: str
    priority: str
    """One of :data:`PRIORITIES`."""
    source: str
    """``syscall``, or ``internal`` for the agent's own alerts."""
    tags: tuple[str, ...]
    hostname: str
    time_ns: int
    """Wall-clock time of the event, nanoseconds since 1970."""
    output: str
    """The rule's output, filled in, without time and priority: Falco's ``message``. Always valid Unicode."""
    output_fields: dict[str, Any]
    """Field key to JSON value, by Falco's rules for output_fields."""
    subject: dict[str, Any] = field(default_factory=dict)
    """Who did it (``agent.event.Subject``), for responders. Not part of Falco's line."""
    matched_ns: int | None = None
    """Wall-clock time at which the rule matched, nanoseconds since 1970. Not part of Falco's line."""
