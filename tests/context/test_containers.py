"""A container is told by the shape that its runtime gives to control groups, not by a hash-like name."""

from __future__ import annotations

import pytest

from agent.context.containers import Containers, container_of

ID = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "runtime"),
    [
        (f"/docker/{ID}", "docker"),
        (f"/system.slice/docker-{ID}.scope", "docker"),
        (f"/libpod_parent/libpod-{ID}", "podman"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container", "podman"),
        (f"/kubepods/besteffort/pod1234/{ID}", "containerd"),
        (f"/kubepods.slice/kubepods-pod12.slice/cri-containerd-{ID}.scope", "containerd"),
        (f"/kubepods.slice/kubepods-pod12.slice/crio-{ID}.scope", "cri-o"),
        (f"/docker/{ID}/system.slice/ssh.service", "docker"),
    ],
)
def test_a_runtime_s_path_is_a_container(path: str, runtime: str) -> None:
    found = container_of(path.encode())
    assert found is not None
    assert (found.id, found.short, found.runtime) == (ID, ID[:12], runtime)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/system.slice/ssh.service",
        f"/{ID}",
        f"/process_api/{ID[:32]}",
        f"/docker/{ID[:63]}",
        f"/docker/x{ID}",
        f"/docker/{ID}0",
    ],
)
def test_other_paths_are_the_host_s(path: str) -> None:
    assert container_of(path.encode()) is None


def test_one_control_group_in_a_container_is_enough() -> None:
    assert Containers().identify((b"/", f"/docker/{ID}".encode())) is not None
    assert Containers().identify((b"/", b"/x")) is None
