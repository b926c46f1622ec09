"""The first calls: what is opened, executed and connected is seen with the process that did it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Watch

pytestmark = pytest.mark.live


def test_an_open_has_its_path_and_its_process(watch: Watch) -> None:
    event = watch.one(
        lambda: os.close(os.open("/etc/hostname", os.O_RDONLY)), "openat", fd__name=b"/etc/hostname"
    )
    assert event["proc.pid"] != os.getpid()
    assert event["proc.ppid"] == os.getpid()
    assert event["evt.is_open_read"] is True
    assert event["evt.is_open_write"] is False
    assert event["fd.typechar"] == b"f"
    assert event["fd.num"] >= 0
    assert event["evt.res"] == b"SUCCESS"


def test_an_open_that_fails_is_seen_with_its_error(watch: Watch) -> None:
    def act() -> None:
        with pytest.raises(FileNotFoundError):
            os.open("/no/such/file", os.O_RDONLY)

    event = watch.one(act, "openat", fd__name=b"/no/such/file")
    assert (event["fd.num"], event["evt.res"], event["fd.typechar"]) == (-1, b"ENOENT", b"f")


def test_an_exec_has_its_name_path_and_arguments(watch: Watch) -> None:
    event = watch.one(lambda: os.execv("/bin/echo", ["echo", "a", "b c"]), "execve", evt__res=b"SUCCESS")
    assert event["proc.name"] == b"echo"
    assert event["proc.exepath"].endswith(b"/bin/echo")
    assert event["proc.cmdline"] == b"echo a b c"
    assert event["proc.args"] == b"a b c"
    assert event["proc.exe"] == b"echo"


def test_a_connect_that_is_refused_names_the_server(watch: Watch) -> None:
    def act() -> None:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", 1)) != 0

    event = watch.one(act, "connect")
    assert (event["fd.sip"], event["fd.sport"], event["evt.res"]) == (
        socket.inet_aton("127.0.0.1"),
        1,
        b"ECONNREFUSED",
    )
    assert (event["fd.l4proto"], event["fd.typechar"]) == (b"tcp", b"4")


def test_ancestors_are_named_up_to_the_first_process(watch: Watch) -> None:
    events = watch.act(lambda: subprocess.run(["/bin/sh", "-c", "/bin/true; :"], check=True) and None)
    event = next(e for e in events if e["proc.name"] == b"true" and e.type == "execve")
    assert event["proc.pname"] == b"sh"
    assert event["proc.pcmdline"] == b"sh -c /bin/true; :"
    assert event["proc.apid"][2] == os.getpid()
    assert event["proc.apid"][-1] == 1


def test_the_subject_names_the_process_exactly(watch: Watch) -> None:
    event = watch.one(lambda: os.execv("/bin/true", ["true"]), "execve", evt__res=b"SUCCESS")
    subject = event.subject
    status = Path("/bin/true").stat()
    assert subject is not None
    assert subject["pid"] == subject["tid"] == event["proc.pid"]
    assert (subject["exe_ino"], subject["exe_dev"]) == (status.st_ino, status.st_dev)
    assert subject["exe"].endswith("/bin/true")
    assert subject["start_ns"] > 0
