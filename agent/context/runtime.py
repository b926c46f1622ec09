"""What the container runtimes write down about a container: name, image, mounts, labels, pod.

Read from their state files, so no socket has to answer and nothing has to be installed:
docker's ``config.v2.json`` and ``hostconfig.json``, and the OCI bundle's ``config.json`` of
containerd, cri-o and podman with the annotations that they put there.
"""

from __future__ import annotations

import glob
import json
import time
from calendar import timegm
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LIMIT = 8 * 1024 * 1024
_DOCKER = ("/var/lib/docker/containers/{id}/config.v2.json",)
_BUNDLES = (
    "/run/containerd/io.containerd.runtime.v2.task/*/{id}/config.json",
    "/run/containers/storage/overlay-containers/{id}/userdata/config.json",
    "/var/run/containers/storage/overlay-containers/{id}/userdata/config.json",
    "/var/lib/containers/storage/overlay-containers/{id}/userdata/config.json",
)
_ALL_CAPABILITIES = 36
"""A process with at least this many capabilities runs privileged."""


@dataclass(frozen=True)
class Mount:
    """A mount of a container."""

    source: str
    destination: str
    mode: str = ""
    writable: bool = True
    propagation: str = ""


@dataclass(frozen=True)
class Details:
    """What is known of a container. Empty or None where its runtime does not say."""

    name: str = ""
    image: str = ""
    """As it was asked for, such as ``docker.io/library/nginx:1.25``."""
    image_id: str = ""
    privileged: bool | None = None
    mounts: tuple[Mount, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    created_ns: int | None = None
    """Nanoseconds since 1970."""
    host_network: bool | None = None
    host_pid: bool | None = None
    host_ipc: bool | None = None
    pod_name: str = ""
    pod_namespace: str = ""
    pod_uid: str = ""
    sandbox_id: str = ""

    @property
    def repository(self) -> str:
        """The image without tag and digest."""
        return _image_parts(self.image)[0]

    @property
    def tag(self) -> str:
        """The image's tag; empty if it has none."""
        return _image_parts(self.image)[1]

    @property
    def digest(self) -> str:
        """The image's digest, ``sha256:…``; empty if it was not asked for by digest."""
        return _image_parts(self.image)[2]


def _image_parts(image: str) -> tuple[str, str, str]:
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "", digest
    return repository, tag, digest


def read(container_id: str, root: str = "/") -> Details | None:
    """Return what the runtimes' state files say of a container, or None if none of them knows it."""
    for pattern in _DOCKER:
        path = _existing(root, pattern, container_id)
        if path is not None:
            return _docker(path)
    for pattern in _BUNDLES:
        path = _existing(root, pattern, container_id)
        if path is not None:
            return _bundle(path)
    return None


def _existing(root: str, pattern: str, container_id: str) -> Path | None:
    found = glob.glob(root.rstrip("/") + pattern.format(id=container_id))  # noqa: PTH207 - below any root
    return Path(found[0]) if found else None


def _json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(_LIMIT))
    except (OSError, ValueError):  # it is being written, or went away: asked again later
        return {}
    return value if isinstance(value, dict) else {}


def _docker(path: Path) -> Details | None:
    state, host = _json(path), _json(path.with_name("hostconfig.json"))
    if not state:
        return None
    config = state.get("Config") or {}
    labels = {str(key): str(value) for key, value in (config.get("Labels") or {}).items()}
    mounts = tuple(
        Mount(
            str(point.get("Source") or ""),
            str(point.get("Destination") or ""),
            str(point.get("Relabel") or ""),
            bool(point.get("RW")),
            str(point.get("Propagation") or ""),
        )
        for point in (state.get("MountPoints") or {}).values()
    )
    return Details(
        name=str(state.get("Name") or "").lstrip("/"),
        image=str(config.get("Image") or ""),
        image_id=str(state.get("Image") or "").rpartition(":")[2],
        privileged=bool(host.get("Privileged")),
        mounts=mounts,
        labels=labels,
        created_ns=_time(str(state.get("Created") or "")),
        host_network=host.get("NetworkMode") == "host",
        host_pid=host.get("PidMode") == "host",
        host_ipc=host.get("IpcMode") == "host",
        pod_name=labels.get("io.kubernetes.pod.name", ""),
        pod_namespace=labels.get("io.kubernetes.pod.namespace", ""),
        pod_uid=labels.get("io.kubernetes.pod.uid", ""),
    )


def _bundle(path: Path) -> Details | None:
    spec = _json(path)
    if not spec:
        return None
    notes = {str(key): str(value) for key, value in (spec.get("annotations") or {}).items()}
    linux, process = spec.get("linux") or {}, spec.get("process") or {}
    namespaces = {str(entry.get("type")) for entry in linux.get("namespaces") or []}
    effective = (process.get("capabilities") or {}).get("effective") or []
    mounts = tuple(
        Mount(
            str(entry.get("source") or ""),
            str(entry.get("destination") or ""),
            "",
            "ro" not in (entry.get("options") or []),
        )
        for entry in spec.get("mounts") or []
        if entry.get("type") == "bind"
    )
    return Details(
        name=_first(
            notes, "io.kubernetes.cri.container-name", "io.kubernetes.container.name", "io.container.name"
        )
        or str(spec.get("hostname") or ""),
        image=_first(
            notes,
            "io.kubernetes.cri.image-name",
            "io.kubernetes.cri-o.ImageName",
            "org.opencontainers.image.ref.name",
        ),
        privileged=len(effective) >= _ALL_CAPABILITIES,
        mounts=mounts,
        labels=notes,
        created_ns=_time(notes.get("io.kubernetes.cri-o.Created", "")),
        host_network="network" not in namespaces,
        host_pid="pid" not in namespaces,
        host_ipc="ipc" not in namespaces,
        pod_name=_first(notes, "io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"),
        pod_namespace=_first(notes, "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"),
        pod_uid=_first(notes, "io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"),
        sandbox_id=_first(notes, "io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"),
    )


def _first(notes: dict[str, str], *keys: str) -> str:
    return next((notes[key] for key in keys if notes.get(key)), "")


def _time(text: str) -> int | None:
    """Return nanoseconds since 1970 of ``2026-01-02T03:04:05.678Z``, or None."""
    try:
        whole = timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    fraction = text[20:].rstrip("Z").partition("+")[0] if text[19:20] == "." else ""
    return whole * 1_000_000_000 + int(
        (fraction[:9] or "0").ljust(9, "0") if fraction.isdigit() or not fraction else 0
    )
