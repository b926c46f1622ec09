"""From event to alert to outputs and spool. Runs in the loop's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.alert import PRIORITIES, Alert
from agent.alert_line import LineFormat, json_object
from agent.event import Event
from agent.outputs import spool
from agent.outputs.queued import Queued

_INTERNAL = 0  # the agent's own alerts are the last to be given up when the spool is full
_WHOLE = LineFormat(json_include_message=True, time_format_iso_8601=True)
_log = logging.getLogger(__name__)


class Matcher(Protocol):
    """What the pipeline needs of an engine."""

    def match(self, event: Event) -> list[Alert]:
        """Return the alerts of one event."""


@dataclass(frozen=True)
class Running:
    """What is running: replaced as a whole by a reload."""

    matcher: Matcher
    outputs: Sequence[Queued]
    release: str | None
    digest: str | None


class Pipeline:
    """Takes events, gives alerts to the outputs and the spool. Nothing in it waits for an output."""

    def __init__(self, writer: spool.Writer, running: Running) -> None:
        self._writer = writer
        self._boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.running = running
        self.events = 0
        self.alerts = 0
        self.failures = 0
        """Events that could not be evaluated."""

    def handle(self, event: Event) -> None:
        """Evaluate one event."""
        self.events += 1
        try:
            alerts = self.running.matcher.match(event)
        except Exception:  # noqa: BLE001 - one event must not end detection; the failure is counted and raises an alert
            self.failures += 1
            if self.failures <= 10:
                _log.error("an event of type %s could not be evaluated", event.type, exc_info=True)
            return
        for alert in alerts:
            self.emit(alert)

    def emit(self, alert: Alert) -> None:
        """Hand one alert to the spool and to every output."""
        self.alerts += 1
        priority = _INTERNAL if alert.source == "internal" else PRIORITIES.index(alert.priority)
        self._writer.append(self._record(alert), priority)
        for output in self.running.outputs:
            output.offer(alert)

    def _record(self, alert: Alert) -> dict[str, object]:
        times = {"event_ns": alert.time_ns, "matched_ns": alert.matched_ns, "spooled_ns": time.time_ns()}
        return {
            "release": self.running.release,
            "digest": self.running.digest,
            "alert": json_object(alert, _WHOLE),
            # A pid and a start time may come again after the next start of the host.
            "subject": {**alert.subject, "boot_id": self._boot_id} if alert.subject else {},
            "t": times,
        }
