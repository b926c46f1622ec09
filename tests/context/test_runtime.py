"""What runtimes write down about a container is found, and an event never waits for it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from agent.context.containers import Containers
from agent.context.runtime import Details, Mount, read

ID = "ab" * 32


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_docker_s_state_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/docker/containers" / ID
    mount = {"Source": "/etc", "Destination": "/host/etc", "RW": False, "Propagation": "rprivate"}
    state = {
        "Name": "/web",
        "Created": "2026-01-02T03:04:05.5Z",
        "Config": {"Image": "registry:5000/team/web:1.2", "Labels": {"a": "b"}},
        "MountPoints": {"/host/etc": mount},
    }
    _write(folder / "config.v2.json", state)
    _write(folder / "hostconfig.json", {"Privileged": True, "PidMode": "host"})
    found = read(ID, str(tmp_path))
    assert found is not None
    assert (found.name, found.repository, found.tag) == ("web", "registry:5000/team/web", "1.2")
    assert (found.privileged, found.host_pid, found.host_network) == (True, True, False)
    assert found.mounts == (Mount("/etc", "/host/etc", "", writable=False, propagation="rprivate"),)
    assert found.created_ns == 1767323045_500_000_000


def test_a_pod_s_container_is_read_from_its_bundle(tmp_path: Path) -> None:
    notes = {
        "io.kubernetes.cri.container-name": "app",
        "io.kubernetes.cri.image-name": "docker.io/library/nginx@sha256:12",
        "io.kubernetes.cri.sandbox-name": "pod-1",
        "io.kubernetes.cri.sandbox-namespace": "prod",
    }
    namespaces = [{"type": "pid"}, {"type": "mount"}]
    bundle = tmp_path / "run/containerd/io.containerd.runtime.v2.task/k8s.io" / ID / "config.json"
    _write(bundle, {"annotations": notes, "linux": {"namespaces": namespaces}})
    found = read(ID, str(tmp_path))
    assert found is not None
    assert (found.name, found.pod_name, found.pod_namespace) == ("app", "pod-1", "prod")
    assert (found.repository, found.tag, found.digest) == ("docker.io/library/nginx", "", "sha256:12")
    assert (found.host_network, found.host_pid, found.privileged) == (True, False, False)


def test_an_unknown_container_has_no_details(tmp_path: Path) -> None:
    assert read(ID, str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_half_written_file_is_asked_again(tmp_path: Path, text: str) -> None:
    path = tmp_path / "var/lib/docker/containers" / ID / "config.v2.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read(ID, str(tmp_path)) is None


def test_the_first_question_does_not_wait_for_the_answer() -> None:
    def slow(_id: str) -> Details:
        time.sleep(0.05)
        return Details(name="web")

    containers = Containers(slow)
    assert containers.details(ID) is None
    deadline = time.monotonic() + 5
    while containers.details(ID) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    found = containers.details(ID)
    assert found is not None
    assert found.name == "web"


def test_a_search_that_fails_does_not_end_the_others() -> None:
    def odd(container_id: str) -> Details:
        if container_id == "x":
            raise ValueError("odd")
        return Details(name="web")

    containers = Containers(odd)
    containers.details("x")
    deadline = time.monotonic() + 5
    while containers.details(ID) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert containers.errors == 1
    assert containers.details(ID) is not None
