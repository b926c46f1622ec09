"""``container.*`` and ``k8s.*``: which container the process is in, and what its runtime wrote down of it.

The details have no value until they were found; rules that compare them with ``=`` miss
until then, those with ``not … =`` match, as upstream's do.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Callable

from agent.kernel.live import FIELDS, field, keyed

if TYPE_CHECKING:
    from agent.context.containers import Container
    from agent.context.runtime import Details, Mount
    from agent.event import Value
    from agent.kernel.live import LiveEvent


def _container(event: LiveEvent) -> Container | None:
    return event.source.containers.identify(event.record.cgroups)


def _details(event: LiveEvent) -> Details | None:
    found = _container(event)
    return event.source.containers.details(found.id) if found else None


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


@field("container.name")
def _name(event: LiveEvent) -> Value:
    if _container(event) is None:
        return b"host"
    found = _details(event)
    return found.name.encode() if found and found.name else None


def _text(get: Callable[[Details], str]) -> Callable[[LiveEvent], Value]:
    def value(event: LiveEvent) -> Value:
        found = _details(event)
        return (get(found).encode() or None) if found else None

    return value


def _plain(get: Callable[[Details], Value]) -> Callable[[LiveEvent], Value]:
    def value(event: LiveEvent) -> Value:
        found = _details(event)
        return get(found) if found else None

    return value


FIELDS["container.image"] = _text(lambda details: details.image)
FIELDS["container.image.id"] = _text(lambda details: details.image_id)
FIELDS["container.image.repository"] = _text(lambda details: details.repository)
FIELDS["container.image.tag"] = _text(lambda details: details.tag)
FIELDS["container.image.digest"] = _text(lambda details: details.digest)
FIELDS["container.privileged"] = _plain(lambda details: details.privileged)
FIELDS["container.start_ts"] = _plain(lambda details: details.created_ns)
FIELDS["container.host_network"] = _plain(lambda details: details.host_network)
FIELDS["container.host_pid"] = _plain(lambda details: details.host_pid)
FIELDS["container.host_ipc"] = _plain(lambda details: details.host_ipc)
FIELDS["k8s.pod.name"] = _text(lambda details: details.pod_name)
FIELDS["k8s.ns.name"] = _text(lambda details: details.pod_namespace)
FIELDS["k8s.pod.uid"] = FIELDS["k8s.pod.id"] = _text(lambda details: details.pod_uid)
FIELDS["k8s.pod.full_sandbox_id"] = _text(lambda details: details.sandbox_id)
FIELDS["k8s.pod.sandbox_id"] = _text(lambda details: details.sandbox_id[:12])


@field("container.duration")
def _duration(event: LiveEvent) -> Value:
    created = event["container.start_ts"]
    return None if created is None else max(0, event.time_ns - created)


@field("container.labels")
def _labels(event: LiveEvent) -> Value:
    found = _details(event)
    return ", ".join(f"{key}:{value}" for key, value in found.labels.items()).encode() if found else None


@keyed("container.label", dotted=True)
def _label(event: LiveEvent, key: str) -> Value:
    found = _details(event)
    value = found.labels.get(key) if found else None
    return None if value is None else value.encode()


# ---- mounts --------------------------------------------------------------------------------


def _mount_text(mount: Mount) -> str:
    return ":".join(
        (
            mount.source,
            mount.destination,
            mount.mode,
            "true" if mount.writable else "false",
            mount.propagation,
        )
    )


FIELDS["container.mounts"] = _text(lambda details: ",".join(map(_mount_text, details.mounts)))


def _mount(event: LiveEvent, argument: str, *, by_destination: bool = False) -> Mount | None:
    """Return the mount with this number, or the first whose source matches this pattern."""
    found = _details(event)
    if found is None:
        return None
    if argument.isdigit():
        return found.mounts[int(argument)] if int(argument) < len(found.mounts) else None
    matches = re.compile(fnmatch.translate(argument)).match
    return next((m for m in found.mounts if matches(m.destination if by_destination else m.source)), None)


def _declare_mount(suffix: str, get: Callable[[Mount], str], *, by_destination: bool = False) -> None:
    def value(event: LiveEvent, argument: str) -> Value:
        mount = _mount(event, argument, by_destination=by_destination)
        return None if mount is None else get(mount).encode()

    keyed("container.mount" + suffix)(value)


_declare_mount("", _mount_text)
_declare_mount(".source", lambda mount: mount.source, by_destination=True)
_declare_mount(".dest", lambda mount: mount.destination)
_declare_mount(".mode", lambda mount: mount.mode)
_declare_mount(".rdwr", lambda mount: "true" if mount.writable else "false")
_declare_mount(".propagation", lambda mount: mount.propagation)
