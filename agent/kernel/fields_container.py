"""``container.*``: which container the process is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.kernel.live import field

if TYPE_CHECKING:
    from agent.context.containers import Container
    from agent.event import Value
    from agent.kernel.live import LiveEvent


def _container(event: LiveEvent) -> Container | None:
    return event.source.containers.identify(event.record.cgroups)


@field("container.id")
def _id(event: LiveEvent) -> Value:
    found = _container(event)
    return found.short.encode() if found else b"host"


@field("container.full_id")
def _full_id(event: LiveEvent) -> Value:
    found = _container(event)
    return found.id.encode() if found else b""


@field("container.type")
def _type(event: LiveEvent) -> Value:
    found = _container(event)
    return found.runtime.encode() if found else b"host"
