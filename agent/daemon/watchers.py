"""What is looked at every second: losses become alerts, at a bounded rate."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from agent.alert import Alert
from agent.config.settings import EventDrops
from agent.daemon import internal
from agent.daemon.bucket import Bucket
from agent.daemon.pipeline import Pipeline
from agent.outputs import spool
from agent.outputs.queued import Queued

_log = logging.getLogger(__name__)


class DropWatch:
    """Events that the kernel could not hand over: Falco's ``syscall_event_drops``."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._settings: EventDrops | None = None
        self._bucket = Bucket(0, 0, 0)
        self._drops: dict[str, int] = {}
        self._events = 0
        self._pending = 0

    def look(self, settings: EventDrops, drops: dict[str, int], events: int) -> Alert | None:
        """Compare the counters with those of a second ago; return the alert for the actions, if any are due.

        Drops below the threshold, or while the bucket is empty, are added to the next alert's number.
        """
        if settings != self._settings:
            self._settings, self._bucket = (
                settings,
                Bucket(settings.rate, settings.max_burst, time.monotonic()),
            )
        new = sum(drops.values()) - sum(self._drops.values())
        seen = events - self._events
        self._drops, self._events = dict(drops), events
        self._pending += max(0, new)
        if new <= 0 or self._pending <= settings.threshold * (self._pending + seen):
            return None
        if settings.actions == ("ignore",) or not self._bucket.take(time.monotonic()):
            return None
        count, self._pending = self._pending, 0
        detail = f"{count} system calls dropped in last second."
        if "log" in settings.actions:
            _log.error("%s. %s", internal.DROPS, detail)
        fields = {"n_drops": count, "n_evts": seen, **{f"n_drops_{key}": drops[key] for key in sorted(drops)}}
        return internal.alert(self._hostname, internal.DROPS, "Debug", detail, fields)


class LossWatch:
    """Alerts that a spool or an output lost, and events that could not be evaluated."""

    def __init__(self, hostname: str) -> None:
        self._hostname = hostname
        self._known: dict[str, int] = {}
        self._bucket = Bucket(0.1, 3, time.monotonic())

    def look(self, pipeline: Pipeline, writer: spool.Writer, outputs: Sequence[Queued]) -> list[Alert]:
        """Return an alert for each kind of loss that grew since the last one about it."""
        losses = writer.losses
        found = [
            self._grown(internal.SPOOL_LOSS, "unwritten", losses.unwritten, losses.last_error),
            self._grown(internal.SPOOL_LOSS, "evicted", losses.evicted, "the spool reached its size bound"),
            self._grown(internal.MATCH_FAILURE, "failures", pipeline.failures, "see the agent's log"),
        ]
        for output in outputs:
            counts = output.counts
            lost = counts.dropped + counts.failed
            found.append(
                self._grown(internal.OUTPUT_LOSS, output.name, lost, f"{output.name} did not take them")
            )
        return [make() for make in found if make is not None]

    def _grown(self, rule: str, kind: str, count: int, why: str) -> Callable[[], Alert] | None:
        key = f"{rule} {kind}"
        new = count - self._known.get(key, 0)
        if new <= 0 or not self._bucket.take(time.monotonic()):
            return None
        self._known[key] = count
        fields: dict[str, str | int] = {"kind": kind, "lost": new, "lost_total": count}
        return lambda: internal.alert(
            self._hostname, rule, "Critical", f"{new} lost ({kind}): {why}.", fields
        )
