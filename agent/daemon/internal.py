"""The agent's own alerts, with Falco's names where Falco has them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from agent.alert import Alert

DROPS = "Falco internal: syscall event drop"
RESTART_FAILURE = "Falco internal: hot restart failure"
SPOOL_LOSS = "Tercel internal: alerts lost from the spool"
OUTPUT_LOSS = "Tercel internal: alerts lost by an output"
MATCH_FAILURE = "Tercel internal: events that could not be evaluated"


def alert(hostname: str, rule: str, priority: str, detail: str, fields: Mapping[str, str | int]) -> Alert:
    """Return an alert about the agent itself. Its text is the rule's name and ``detail``."""
    now = time.time_ns()
    return Alert(
        rule=rule,
        priority=priority,
        source="internal",
        tags=(),
        hostname=hostname,
        time_ns=now,
        output=f"{rule}. {detail}",
        output_fields={key: str(value) for key, value in fields.items()},
        matched_ns=now,
    )
