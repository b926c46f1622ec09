"""Numbers have the names that rules ask for."""

from __future__ import annotations

import os
import socket

import pytest

from agent.kernel import program, symbols, syscalls
from agent.kernel.numbers import numbers


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (os.O_RDONLY, b"O_RDONLY"),
        (os.O_WRONLY | os.O_CREAT | os.O_TRUNC, b"O_TRUNC|O_CREAT|O_WRONLY"),
        (os.O_RDWR | os.O_CLOEXEC, b"O_RDWR|O_CLOEXEC"),
        (os.O_RDONLY | os.O_DIRECTORY, b"O_DIRECTORY|O_RDONLY"),
        (os.O_WRONLY | os.O_TMPFILE, b"O_DIRECTORY|O_WRONLY|O_TMPFILE"),
        (os.O_PATH, b"O_RDONLY"),
    ],
)
def test_open_flags_are_named(flags: int, expected: bytes) -> None:
    assert symbols.flags_text("openat", "flags", symbols.open_flags(flags)) == expected


def test_an_address_family_has_all_its_names() -> None:
    assert set(symbols.enum_text("socket", "domain", socket.AF_UNIX).split(b"|")) == {b"AF_UNIX", b"AF_LOCAL"}
    assert symbols.enum_text("socket", "domain", socket.AF_PACKET) == b"AF_PACKET"


def test_permission_bits_are_named() -> None:
    assert symbols.mode_text(0o4001) == b"S_IXOTH|S_ISUID"


def test_errors_and_signals_are_named() -> None:
    assert (symbols.error(2), symbols.error(115), symbols.error(11)) == (b"ENOENT", b"EINPROGRESS", b"EAGAIN")
    assert (symbols.signal_name(9), symbols.signal_name(0)) == (b"SIGKILL", b"")


def test_capabilities_are_named() -> None:
    assert symbols.capabilities(1 << 0 | 1 << 21) == b"CAP_CHOWN CAP_SYS_ADMIN"


def test_call_numbers_are_the_kernel_s() -> None:
    table = numbers()
    assert table["openat"] == (257, 295)
    assert table["execve"] == (59, 11)
    assert table["fchmodat2"] == (452, 452)


def test_a_call_that_the_kernel_names_otherwise_has_its_event_type() -> None:
    names = {"setuid32": "setuid", "pread64": "pread", "clock_gettime64": "clock_gettime", "stat64": "stat64"}
    assert {name: syscalls.event_name(name) for name in names} == names


def test_a_successful_execveat_is_captured_with_execve() -> None:
    assert program.wanted({"execveat"}) == {"execve", "execveat"}


def test_calls_behind_socketcall_are_in_the_table() -> None:
    indices = program.table({"connect"})
    assert set(indices) == {42, syscalls.COMPAT + 362, syscalls.SOCKETCALL + 3}


@pytest.mark.parametrize("name", sorted(syscalls.calls()))
def test_every_description_fits_the_probe(name: str) -> None:
    call = syscalls.calls()[name]
    assert len(call.strings) <= 3
    assert len(call.files) <= 3
    assert len(call.descriptor(1)) == 16
