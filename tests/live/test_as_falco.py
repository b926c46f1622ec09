"""Where Falco's behaviour was measured on a live system, events agree with it."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Watch

pytestmark = pytest.mark.live

_libc = ctypes.CDLL(None, use_errno=True)
_O_PATH = 0o10000000


@pytest.fixture(scope="module")
def event_types() -> frozenset[str]:
    linking = {"symlink", "symlinkat", "link", "linkat", "mkdir", "mkdirat"}
    return frozenset(
        {"open", "openat", "creat", "fchmodat2", "fchmodat", "connect", "sendto", "execve"} | linking
    )


def test_an_o_path_open_counts_as_reading(watch: Watch) -> None:
    event = watch.one(lambda: os.close(os.open("/etc/shadow", _O_PATH)), "openat", fd__name=b"/etc/shadow")
    assert (event["evt.is_open_read"], event["evt.is_open_write"]) == (True, False)


def test_creat_is_no_open_for_writing(watch: Watch, tmp_path: Path) -> None:
    event = watch.one(lambda: _libc.creat(bytes(tmp_path / "x"), 0o600), "creat", "open", "openat")
    assert (event.type, event["evt.is_open_write"]) == ("creat", False)


def test_fchmodat2_is_no_fchmodat(watch: Watch) -> None:
    event = watch.one(lambda: _libc.syscall(452, -100, b"/no/such", 0o4755, 0), "fchmodat2", "fchmodat")
    assert event.type == "fchmodat2"


def test_an_unconnected_datagram_does_not_change_the_name(watch: Watch) -> None:
    def act() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", 9))

    event = watch.one(act, "sendto")
    assert (event["fd.connected"], event["fd.name_changed"]) == (False, False)


def test_a_mapped_address_is_an_ipv6_address(watch: Watch) -> None:
    def act() -> None:
        with socket.socket(socket.AF_INET6) as client:
            client.connect_ex(("::ffff:127.0.0.1", 1))

    event = watch.one(act, "connect")
    assert (event["fd.typechar"], event["fd.sip"]) == (
        b"6",
        socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1"),
    )


def test_a_relative_folder_contains_the_slash_before_its_dot(watch: Watch, tmp_path: Path) -> None:
    def act() -> None:
        os.chdir(tmp_path)
        os.mkdir(".x")  # noqa: PTH102

    assert b"/.x" in watch.one(act, "mkdir", "mkdirat")["evt.arg.path"]


@pytest.mark.parametrize("kind", ["symlink", "link"])
def test_a_link_counts_even_if_it_fails(watch: Watch, kind: str) -> None:
    def act() -> None:
        with pytest.raises(OSError, match="No such"):
            getattr(os, kind)("/etc/shadow", "/no/such/folder/x")

    event = watch.one(act, kind, kind + "at")
    assert event["evt.res"] == b"ENOENT"
    assert b"/etc/shadow" in {event["evt.arg.target"], event["evt.arg.oldpath"]}


def test_a_process_outside_of_every_container_is_the_host_s(watch: Watch) -> None:
    event = watch.one(lambda: os.execv("/bin/true", ["true"]), "execve", evt__res=b"SUCCESS")
    assert (event["container.id"], event["container.full_id"]) == (b"host", b"")


def test_a_control_group_named_like_a_hash_is_no_container(watch: Watch) -> None:
    base = Path("/sys/fs/cgroup")
    tree = next(
        (path for path in (base / "memory", base / "unified", base) if (path / "cgroup.procs").exists()), None
    )
    if tree is None:
        pytest.skip("no control groups are mounted here")
    group = tree / ("ab" * 32)
    group.mkdir()
    try:

        def act() -> None:
            (group / "cgroup.procs").write_text("0")
            os.execv("/bin/true", ["true"])

        event = watch.one(act, "execve", evt__res=b"SUCCESS")
        assert any(b"ab" * 32 in path for path in event["thread.cgroups"].split())
        assert event["container.id"] == b"host"
    finally:
        group.rmdir()


def test_a_control_group_of_a_runtime_s_shape_is_a_container(watch: Watch) -> None:
    base = Path("/sys/fs/cgroup")
    tree = next(
        (path for path in (base / "memory", base / "unified", base) if (path / "cgroup.procs").exists()), None
    )
    if tree is None:
        pytest.skip("no control groups are mounted here")
    parent = tree / "libpod_parent"
    group = parent / ("libpod-" + "cd" * 32)
    group.mkdir(parents=True)
    try:

        def act() -> None:
            (group / "cgroup.procs").write_text("0")
            os.execv("/bin/true", ["true"])

        event = watch.one(act, "execve", evt__res=b"SUCCESS")
        assert event["container.id"] == b"cdcdcdcdcdcd"
        assert event.subject is not None
        assert event.subject["container_id"] == "cd" * 32
    finally:
        group.rmdir()
        parent.rmdir()


def test_the_login_uid_is_everyone_s_below(watch: Watch) -> None:
    event = watch.one(lambda: os.execv("/bin/true", ["true"]), "execve", evt__res=b"SUCCESS")
    assert event["user.loginuid"] == 31337
