"""What the daemon has loaded, and how that is told."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.compiler.engine import Engine
from agent.daemon.capturing import Vain
from agent.daemon.loading import Prepared
from agent.daemon.pipeline import Pipeline
from agent.outputs.spool import Losses

_log = logging.getLogger(__name__)


@dataclass
class State:
    """What was last loaded."""

    prepared: Prepared
    engine: Engine
    vain: Vain
    since_ns: int = 0
    """Wall-clock time from which on it runs."""

    def report(self) -> None:
        """Log what was loaded and, loudly, what it asks for in vain."""
        for finding in self.prepared.findings:
            _log.log(logging.INFO if finding.severity == "notice" else logging.WARNING, "%s", finding)
        if self.vain.event_types:
            _log.warning("capture cannot give these event types: %s", ", ".join(self.vain.event_types))
        if self.vain.fields:
            _log.warning("capture has no value for these fields: %s", ", ".join(self.vain.fields))
        for rule in self.vain.rules:
            _log.warning("rule %r can never match here", rule)
        name = self.prepared.source.release_id or self.prepared.source.config
        rules, digest = len(self.engine.rules), self.prepared.digest[:12]
        _log.info(
            "loaded %s: %d rules, %d event types, digest %s",
            name,
            rules,
            len(self.engine.event_types),
            digest,
        )


def status(state: State | None, pipeline: Pipeline, losses: Losses, drops: dict[str, int]) -> dict[str, Any]:
    """Return what ``status`` tells about the engine, as far as these know."""
    vain = state.vain if state else Vain((), (), ())
    return {
        "pid": os.getpid(),
        "installed": str(Path(__file__).resolve().parents[2]),
        "release": pipeline.running.release,
        "digest": pipeline.running.digest,
        "config": str(state.prepared.source.config) if state else None,
        "rules": len(state.engine.rules) if state else 0,
        "event_types": len(state.engine.event_types) if state else 0,
        "rss_bytes": rss_bytes(),
        "events": pipeline.events,
        "alerts": pipeline.alerts,
        "failures": pipeline.failures,
        "drops": sum(drops.values()),
        "drops_by_reason": drops,
        "vain": {"event_types": vain.event_types, "fields": vain.fields, "rules": vain.rules},
        "spool_lost": {"unwritten": losses.unwritten, "evicted": losses.evicted, "error": losses.last_error},
        "outputs": {each.name: vars(each.counts) for each in pipeline.running.outputs},
    }


def rss_bytes() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
