"""Every event type that upstream's rulesets name is captured, and its parameters are what was passed."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.kernel.capture import supported_event_types

if TYPE_CHECKING:
    from conftest import Watch

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="call numbers are those of x86-64"),
]

_libc = ctypes.CDLL(None, use_errno=True)
Field = dict[str, object]


@pytest.fixture(scope="module")
def event_types() -> frozenset[str]:
    noisy = {"read", "write", "close", "mmap", "munmap", "mprotect", "brk", "fcntl", "ioctl", "rt_sigaction"}
    return supported_event_types() - noisy | {"read", "write"}


def call(number: int, *arguments: object) -> int:
    """Make a system call; return what it returned, an error as a negative number."""
    values = [a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments]  # type: ignore[arg-type]
    result = int(_libc.syscall(ctypes.c_long(number), *values))
    return -ctypes.get_errno() if result < 0 else result


def _calls(number: int, *arguments: object) -> Callable[[], object]:
    return lambda: call(number, *arguments)


FD = -100

ACTS: list[tuple[str, Callable[[], object], Field]] = [
    (
        "open",
        _calls(2, b"/etc/hostname", 0, 0),
        {"evt.arg.name": b"/etc/hostname", "evt.arg.flags": b"O_RDONLY"},
    ),
    (
        "openat",
        _calls(257, FD, b"/tmp/tercel-x", 0o1101, 0o755),
        {
            "evt.arg.flags": b"O_TRUNC|O_CREAT|O_WRONLY|O_F_CREATED",
            "evt.is_open_exec": True,
            "evt.is_open_create": True,
        },
    ),
    (
        "openat2",
        _calls(437, FD, b"/etc/hostname", struct.pack("<QQQ", 0o2000000, 0, 8), 24),
        {"evt.arg.flags": b"O_RDONLY|O_CLOEXEC", "evt.arg.resolve": b"RESOLVE_BENEATH", "evt.res": b"EXDEV"},
    ),
    ("creat", _calls(85, b"/tmp/tercel-x", 0o700), {"fd.name": b"/tmp/tercel-x", "evt.is_open_write": False}),
    ("execveat", _calls(322, FD, b"/no/such/file", 0, 0, 0), {"evt.res": b"ENOENT"}),
    ("listen", _calls(50, 1000, 5), {"evt.res": b"EBADF", "evt.arg.backlog": b"5"}),
    ("dup", _calls(32, 0), {"evt.arg.oldfd": b"<f>/dev/null"}),
    ("dup2", _calls(33, 0, 77), {"fd.num": 77, "evt.rawarg.newfd": 77}),
    ("dup3", _calls(292, 0, 78, 0o2000000), {"fd.num": 78, "evt.arg.flags": b"O_CLOEXEC"}),
    (
        "symlink",
        _calls(88, b"/etc/passwd", b"l"),
        {"evt.arg.target": b"/etc/passwd", "evt.arg.linkpath": b"/tmp/l"},
    ),
    (
        "symlinkat",
        _calls(266, b"/etc/passwd", FD, b"l2"),
        {"evt.arg.target": b"/etc/passwd", "evt.arg.linkpath": b"/tmp/l2"},
    ),
    ("link", _calls(86, b"/no/a", b"/no/b"), {"evt.arg.oldpath": b"/no/a", "evt.arg.newpath": b"/no/b"}),
    (
        "linkat",
        _calls(265, FD, b"/no/a", FD, b"b", 0x400),
        {"evt.arg.oldpath": b"/no/a", "evt.arg.newpath": b"/tmp/b", "evt.arg.flags": b"AT_SYMLINK_FOLLOW"},
    ),
    ("unlink", _calls(87, b"/no/a"), {"evt.arg.path": b"/no/a", "evt.res": b"ENOENT"}),
    (
        "unlinkat",
        _calls(263, FD, b"./q/../z", 0x200),
        {"evt.arg.name": b"/tmp/z", "evt.arg.flags": b"AT_REMOVEDIR"},
    ),
    ("rename", _calls(82, b"/no/a", b"b"), {"evt.arg.oldpath": b"/no/a", "evt.arg.newpath": b"/tmp/b"}),
    (
        "renameat",
        _calls(264, FD, b"/no/a", FD, b"/no/b"),
        {"evt.arg.oldpath": b"/no/a", "evt.arg.newpath": b"/no/b"},
    ),
    ("renameat2", _calls(316, FD, b"/no/a", FD, b"/no/b", 2), {"evt.arg.flags": b"RENAME_EXCHANGE"}),
    ("mkdir", _calls(83, b".x", 0o700), {"evt.arg.path": b"/tmp/.x"}),
    ("mkdirat", _calls(258, FD, b"/no/d", 0o700), {"evt.arg.path": b"/no/d"}),
    ("rmdir", _calls(84, b"/no/d"), {"evt.arg.path": b"/no/d"}),
    (
        "chmod",
        _calls(90, b"/no/f", 0o4755),
        {
            "evt.arg.mode": b"S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID",
            "evt.arg.filename": b"/no/f",
            "evt.rawarg.mode": 0o4755,
        },
    ),
    ("fchmod", _calls(91, 0, 0o666), {"fd.name": b"/dev/null", "evt.arg.fd": b"<f>/dev/null"}),
    ("fchmodat", _calls(268, FD, b"/no/f", 0), {"evt.arg.filename": b"/no/f", "evt.arg.mode": b"00"}),
    ("setuid", _calls(105, 0), {"evt.arg.uid": b"root", "evt.rawarg.uid": 0}),
    (
        "setns",
        _calls(308, 0, 0x20000000),
        {"evt.arg.nstype": b"CLONE_NEWPID", "fd.name": b"/dev/null", "evt.res": b"EINVAL"},
    ),
    ("unshare", _calls(272, 0x20000), {"evt.arg.flags": b"CLONE_NEWNS"}),
    (
        "mount",
        _calls(165, b"/no/dev", b"/no/dir", b"ext4", 1, 0),
        {
            "evt.arg.dev": b"/no/dev",
            "evt.arg.dir": b"/no/dir",
            "evt.arg.type": b"ext4",
            "evt.arg.flags": b"RDONLY",
        },
    ),
    ("umount2", _calls(166, b"/no/dir", 2), {"evt.arg.name": b"/no/dir", "evt.arg.flags": b"DETACH"}),
    ("ptrace", _calls(101, 0, 0, 0, 0), {"evt.arg.request": b"PTRACE_TRACEME"}),
    ("bpf", _calls(321, 5, 0, 0), {"evt.arg.cmd": b"BPF_PROG_LOAD"}),
    ("init_module", _calls(175, b"xyz", 3, b"a=b"), {"evt.arg.uargs": b"a=b", "evt.rawarg.length": 3}),
    (
        "finit_module",
        _calls(313, 0, b"a=b", 1),
        {"fd.name": b"/dev/null", "evt.arg.flags": b"MODULE_INIT_IGNORE_MODVERSIONS"},
    ),
    ("userfaultfd", _calls(323, 0o2000000), {"evt.arg.flags": b"O_CLOEXEC"}),
    ("kill", lambda: os.kill(os.getpid(), 0), {"evt.rawarg.sig": 0}),
    (
        "tgkill",
        lambda: (signal.signal(10, signal.SIG_IGN), call(234, os.getpid(), os.getpid(), 10)),
        {"evt.arg.sig": b"SIGUSR1"},
    ),
    ("chdir", _calls(80, b"/usr"), {"evt.arg.path": b"/usr", "proc.cwd": b"/usr/"}),
    ("io_uring_setup", _calls(425, 8, bytes(120)), {"evt.rawarg.entries": 8}),
    (
        "prctl",
        _calls(157, 15, b"newname"),
        {"evt.arg.option": b"PR_SET_NAME", "evt.arg.arg2_str": b"newname"},
    ),
    ("memfd_create", _calls(319, b"evil", 1), {"fd.name": b"memfd:evil", "evt.arg.flags": b"MFD_CLOEXEC"}),
    ("setsid", _calls(112), {"proc.is_sid_leader": True}),
    ("fchmodat2", _calls(452, FD, b"/no/f", 0o777, 0), {"evt.type": b"fchmodat2"}),
    ("keyctl", _calls(250, 0, -3, 0), {"evt.arg.operation": b"KEYCTL_GET_KEYRING_ID"}),
    (
        "delete_module",
        _calls(176, b"nope", 0o4000),
        {"evt.arg.name": b"nope", "evt.arg.flags": b"O_NONBLOCK"},
    ),
    ("capset", _calls(126, 0, 0), {"evt.res": b"EFAULT"}),
    ("pivot_root", _calls(155, b"/no/a", b"/no/b"), {"evt.type": b"pivot_root", "evt.category": b"other"}),
]


def _quiet() -> None:
    """Be in a known place with a known standard input, in a mount namespace and folder that do no harm."""
    os.chdir("/tmp")
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)


@pytest.mark.parametrize(("type_", "act", "expected"), ACTS, ids=[act[0] for act in ACTS])
def test_a_call_is_captured_with_its_parameters(
    watch: Watch, type_: str, act: Callable[[], object], expected: Field
) -> None:
    def whole() -> None:
        _quiet()
        os.getppid()
        act()

    events = [event for event in watch.act(whole) if event.type == type_]
    assert events
    event = events[-1]
    assert {key: event[key] for key in expected} == expected
    for made in (b"/tmp/l", b"/tmp/l2", b"/tmp/.x", b"/tmp/tercel-x"):
        with suppress(OSError):
            os.rmdir(made) if made == b"/tmp/.x" else os.unlink(made)  # noqa: PTH106, PTH108


def test_a_child_is_an_event_of_its_own(watch: Watch) -> None:
    def act() -> None:
        child = os.fork()
        if child == 0:
            os._exit(3)
        os.waitpid(child, 0)

    events = watch.act(act)
    spawned = [e for e in events if e.type in {"clone", "clone3", "fork", "vfork"} and e["evt.rawres"] == 0]
    parents = [e for e in events if e.type in {"clone", "clone3", "fork", "vfork"} and e["evt.rawres"] > 0]
    ended = [e for e in events if e.type == "procexit" and e["evt.rawarg.ret"] == 3]
    assert [e["proc.pid"] for e in ended] == [parents[0]["evt.rawres"]]
    assert parents[0]["evt.rawres"] in [e["proc.pid"] for e in spawned]
    assert ended[0]["proc.ppid"] == parents[0]["proc.pid"]


def test_both_ends_of_a_local_connection_are_named(watch: Watch) -> None:
    port = 0

    def act() -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname()) as client,
        ):
            peer, _address = server.accept()
            client.sendall(b"GET / HTTP/1.0")
            assert peer.recv(100)
            peer.close()

    events = watch.act(act)
    by_type = {event.type: event for event in events}
    port = by_type["connect"]["fd.sport"]
    assert by_type["bind"]["evt.arg.addr"] == b"127.0.0.1:0"
    assert by_type["listen"]["fd.lport"] == port
    assert by_type["accept4"]["fd.sport"] == by_type["accept4"]["fd.lport"] == port
    assert by_type["accept4"]["fd.cport"] == by_type["connect"]["fd.lport"]
    assert by_type["accept4"]["fd.cip"] == socket.inet_aton("127.0.0.1")
    assert (
        by_type["accept4"]["fd.name"]
        == by_type["connect"]["fd.name"]
        == b"127.0.0.1:%d->127.0.0.1:%d"
        % (
            by_type["connect"]["fd.cport"],
            port,
        )
    )
    assert by_type["connect"]["fd.connected"] is True
    assert by_type["sendto"]["evt.buffer"] == b"GET / HTTP/1.0"
    assert by_type["recvfrom"]["evt.buffer"] == b"GET / HTTP/1.0"
    assert by_type["socket"]["evt.arg.domain"] == b"AF_INET"


def test_a_datagram_names_where_it_goes(watch: Watch) -> None:
    def act() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", ("127.0.0.1", 9))
            sender.sendmsg([b"hel", b"lo"], [], 0, ("127.0.0.2", 99))

    events = {event.type: event for event in watch.act(act)}
    assert (events["sendto"]["fd.rip"], events["sendto"]["fd.rport"]) == (socket.inet_aton("127.0.0.1"), 9)
    assert (events["sendmsg"]["fd.rip"], events["sendmsg"]["fd.rport"]) == (socket.inet_aton("127.0.0.2"), 99)
    assert events["sendto"]["fd.l4proto"] == b"udp"
    assert events["sendto"]["fd.connected"] is False
    assert events["sendmsg"]["evt.buffer"] == b"hel"


def test_a_received_datagram_names_where_it_came_from(watch: Watch) -> None:
    def act() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(("127.0.0.1", 0))
            sender.bind(("127.0.0.3", 5353))
            sender.sendto(b"hello", receiver.getsockname())
            receiver.recvfrom(100)
            sender.sendto(b"again", receiver.getsockname())
            receiver.recvmsg(100)

    events = {event.type: event for event in watch.act(act)}
    for type_ in ("recvfrom", "recvmsg"):
        assert (events[type_]["fd.rip"], events[type_]["fd.rport"]) == (socket.inet_aton("127.0.0.3"), 5353)
        assert events[type_]["fd.name_changed"] is True


def test_a_unix_socket_is_named_by_its_path(watch: Watch, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    def act() -> None:
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(path)
            server.listen()
            client.connect(path)

    event = watch.one(act, "connect")
    assert event["fd.name"].endswith(b" " + path.encode())
    assert (event["fd.typechar"], event["fd.sockfamily"], event["evt.arg.addr"]) == (
        b"u",
        b"unix",
        path.encode(),
    )


def test_a_netlink_and_a_raw_socket_are_told_by_their_domain(watch: Watch) -> None:
    def act() -> None:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()

    domains = [event["evt.arg.domain"] for event in watch.act(act) if event.type == "socket"]
    assert domains in ([b"AF_ROUTE|AF_NETLINK", b"AF_PACKET"], [b"AF_NETLINK|AF_ROUTE", b"AF_PACKET"])


def test_read_and_write_have_their_data(watch: Watch, tmp_path: Path) -> None:
    def act() -> None:
        fd = os.open(tmp_path / "f", os.O_CREAT | os.O_RDWR)
        os.write(fd, b"stratum+tcp" * 20)
        os.lseek(fd, 0, 0)
        os.read(fd, 50)
        os.writev(fd, [b"first", b"second"])

    found = {e.type: e for e in watch.act(act) if e["fd.name"] == os.fsencode(tmp_path / "f")}
    assert found["write"]["evt.buffer"] == (b"stratum+tcp" * 20)[:80]
    assert found["write"]["evt.rawres"] == 220
    assert found["read"]["evt.buffer"] == (b"stratum+tcp" * 20)[:50]
    assert found["writev"]["evt.buffer"] == b"first"


def test_pipe_ends_are_pipes(watch: Watch) -> None:
    def act() -> None:
        reader, writer = os.pipe()
        os.write(writer, b"x")
        os.dup2(reader, 0)

    found = {event.type: event for event in watch.act(act) if event.type in {"write", "dup2"}}
    assert found["write"]["fd.type"] == found["dup2"]["fd.type"] == b"pipe"


def test_descriptors_without_a_place_have_a_type(watch: Watch) -> None:
    def act() -> None:
        epoll = call(291, 0)
        event = call(290, 0, 0)
        timer = call(283, 1, 0)
        for fd in (epoll, event, timer):
            call(91, fd, 0o600)

    types = [event["fd.type"] for event in watch.act(act) if event.type == "fchmod"]
    assert types == [b"eventpoll", b"event", b"timerfd"]


def test_no_field_fails_for_any_event(watch: Watch) -> None:
    before = watch.capture.counters().decode_errors
    watch.act(lambda: os.execv("/bin/ls", ["ls", "-l", "/"]))
    from agent.kernel.live import FIELDS

    for event in watch.events:
        for key in FIELDS:
            event[key]
    assert watch.capture.counters().decode_errors == before, watch.capture.last_error


def test_nothing_was_lost(watch: Watch) -> None:
    drops = watch.capture.counters().drops
    assert {reason: count for reason, count in drops.items() if count} == {}
