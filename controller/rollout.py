"""Bringing a release to hosts in waves, and stopping by itself when too much goes wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.errors import HostError
from controller.hosts.status import refresh
from controller.push import Delivery, Pushed, push

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from controller.inventory import Host
    from controller.parallel import Outcome
    from controller.store import Store


@dataclass(frozen=True)
class Plan:
    """How to go about it."""

    waves: Sequence[Sequence[Host]]
    budget: int = 0
    """How many hosts may fail before the waves that are left are held back."""
    soak: float = 0.0
    """Seconds to watch a wave before the next: it must go on running the release and drop no event."""


def roll(
    store: Store,
    delivery: Delivery,
    plan: Plan,
    known_hosts: Path | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[Pushed]:
    """Push wave after wave; give each host's result as it comes.

    A host that fails while its wave is watched gives a second result. Hosts of waves that are held back
    give ``held``: they were not touched.
    """
    failed: set[str] = set()
    for number, wave in enumerate(plan.waves, 1):
        for pushed in push(store, delivery, wave, known_hosts):
            failed |= {pushed.host} if pushed.outcome == "failed" else set()
            yield pushed
        left = [host for later in plan.waves[number:] for host in later]
        if not left:
            return
        if len(failed) <= plan.budget and plan.soak > 0:
            sound = [host for host in wave if host.name not in failed]
            for pushed in _watch(store, delivery, sound, plan.soak, known_hosts, wait):
                failed.add(pushed.host)
                yield pushed
        if len(failed) > plan.budget:
            reason = f"held back after wave {number}: {len(failed)} failed, {plan.budget} allowed"
            yield from (Pushed(host.name, "held", 0, reason=reason) for host in left)
            return


def _watch(  # noqa: PLR0913, PLR0917 - what roll has, for one wave
    store: Store,
    delivery: Delivery,
    wave: Sequence[Host],
    soak: float,
    known_hosts: Path | None,
    wait: Callable[[float], None],
) -> Iterator[Pushed]:
    """Watch a wave; give a failure for each host that does not stand the time."""
    before = {outcome.host.name: _drops(outcome) for outcome in refresh(store, wave, known_hosts)}
    wait(soak)
    for outcome in refresh(store, wave, known_hosts):
        config = delivery.entry.configs[outcome.host.name]
        wrong = judge(outcome, delivery.contents.digest(config), before[outcome.host.name])
        if wrong is not None:
            yield Pushed(outcome.host.name, "failed", 0, reason=f"watched for {soak:g} s: {wrong}")


def judge(outcome: Outcome[dict[str, Any]], digest: str, drops_before: int) -> str | None:
    """Return what is wrong with a host that should run ``digest``, None if nothing is. Pure."""
    if outcome.value is None:
        return outcome.error.reason if isinstance(outcome.error, HostError) else str(outcome.error)
    engine = outcome.value["status"].get("engine")
    if not engine:
        return "its engine does not run any more"
    if engine.get("digest") != digest:
        return f"its engine runs {str(engine.get('digest'))[:12]}, not {digest[:12]}"
    dropped = _drops(outcome) - drops_before
    return f"it dropped {dropped} events" if dropped > 0 else None


def _drops(outcome: Outcome[dict[str, Any]]) -> int:
    engine = ((outcome.value or {}).get("status") or {}).get("engine") or {}
    drops = engine.get("drops")
    return drops if isinstance(drops, int) else 0
