"""What an attacker does to be seen as something else, or not at all."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Watch

pytestmark = pytest.mark.live

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_NAME = 15
OPENS = ("open", "openat", "openat2")


@pytest.fixture(scope="module")
def event_types() -> frozenset[str]:
    return frozenset(
        [
            "open",
            "openat",
            "openat2",
            "creat",
            "execve",
            "execveat",
            "io_uring_setup",
            "symlink",
            "link",
            "mkdir",
            "fchmodat2",
            "clone",
            "clone3",
            "vfork",
        ]
    )


def _open(path: str | bytes) -> None:
    os.close(os.open(path, os.O_RDONLY))


# ---- paths ---------------------------------------------------------------------------------


def test_a_relative_path_is_made_absolute(watch: Watch) -> None:
    def act() -> None:
        os.chdir("/usr/bin")
        _open("../../etc/./hostname")

    event = watch.one(act, *OPENS, fd__name=b"/etc/hostname")
    assert event["fd.nameraw"] == b"../../etc/./hostname"
    assert event["proc.cwd"] == b"/usr/bin/"


def test_a_path_relative_to_a_directory_descriptor_is_made_absolute(watch: Watch) -> None:
    def act() -> None:
        folder = os.open("/usr", os.O_RDONLY | os.O_DIRECTORY)
        os.open("../etc//hostname", os.O_RDONLY, dir_fd=folder)

    event = watch.one(act, "openat", fd__name=b"/etc/hostname")
    assert event["evt.arg.dirfd"] == b"<d>/usr"


def test_dots_in_an_absolute_path_are_resolved(watch: Watch) -> None:
    event = watch.one(lambda: _open("/usr/lib/../../etc//hostname"), *OPENS, fd__name=b"/etc/hostname")
    assert event["evt.arg.name"] == b"/usr/lib/../../etc//hostname"
    assert (event["fd.directory"], event["fd.filename"]) == (b"/etc", b"hostname")


@pytest.mark.parametrize("how", ["symlink", "hard link", "bind mount", "/proc/self/root"])
def test_the_name_is_as_given_and_the_real_path_is_what_was_opened(
    watch: Watch, tmp_path: Path, how: str
) -> None:
    target = tmp_path / "secret"
    target.write_text("x")
    given = tmp_path / "harmless"
    real: Path = target
    if how == "symlink":
        given.symlink_to(target)
    elif how == "hard link":
        given.hardlink_to(target)
        real = given
    elif how == "/proc/self/root":
        given = Path(f"/proc/self/root{target}")
    else:
        given.touch()

    def act() -> None:
        if how == "bind mount":
            assert _libc.unshare(0x20000) == 0
            assert _libc.mount(None, b"/", None, 0x44000, None) == 0
            assert _libc.mount(bytes(target), bytes(given), None, 4096, None) == 0
        _open(str(given))

    event = watch.one(act, *OPENS, fd__name=bytes(given))
    assert event["fd.realpath"] == bytes(given if how == "bind mount" else real)
    assert event["fd.ino"] == target.stat().st_ino


def test_openat2_is_an_open(watch: Watch) -> None:
    how = struct.pack("<QQQ", os.O_RDONLY, 0, 0)
    event = watch.one(lambda: _libc.syscall(437, -100, b"/etc/hostname", how, len(how)), "openat2")
    assert (event["fd.name"], event["evt.is_open_read"]) == (b"/etc/hostname", True)


def test_a_path_of_the_greatest_length_is_whole(watch: Watch) -> None:
    path = b"/etc" + b"/." * ((4095 - len(b"/etc/hostname")) // 2) + b"/hostname"
    event = watch.one(lambda: _open(path), *OPENS, fd__name=b"/etc/hostname")
    assert event["fd.nameraw"] == path


def test_a_deep_directory_is_known_to_its_root(watch: Watch, tmp_path: Path) -> None:
    names = [f"d{number}" for number in range(60)]
    deep = tmp_path.joinpath(*names)
    deep.mkdir(parents=True)

    def act() -> None:
        os.chdir(deep)
        os.close(os.open("x", os.O_CREAT | os.O_WRONLY))

    event = watch.one(act, *OPENS, fd__name=bytes(deep / "x"))
    assert event["fd.realpath"] == bytes(deep / "x")


def test_a_path_deeper_than_the_probe_follows_is_marked(watch: Watch, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*("d" for _ in range(300)))
    deep.mkdir(parents=True)

    def act() -> None:
        os.chdir(deep)
        os.close(os.open("x", os.O_CREAT | os.O_WRONLY))

    events = [event for event in watch.act(act) if event.type in OPENS and event["fd.nameraw"] == b"x"]
    assert len(events) == 1
    assert b"..." in events[0]["fd.name"]
    assert events[0]["fd.name"].endswith(b"/d/x")


def test_a_buffer_changed_during_the_call_does_not_hide_the_real_path(watch: Watch, tmp_path: Path) -> None:
    real, lie = tmp_path / "secret", tmp_path / "public"
    real.touch()
    lie.touch()
    secret = real.stat().st_ino

    def act() -> None:
        shared = mmap.mmap(-1, 4096)  # shared with the child, which changes it at its own pace
        buffer = ctypes.c_char.from_buffer(shared)
        shared[:200] = bytes(real).ljust(200, b"\0")
        child = os.fork()
        while child == 0:
            shared[:200] = bytes(lie).ljust(200, b"\0")
            shared[:200] = bytes(real).ljust(200, b"\0")
        opened, end = 0, time.monotonic() + 10
        while opened < 50 and time.monotonic() < end:
            fd = _libc.open(ctypes.byref(buffer), os.O_RDONLY)
            if fd >= 0:
                opened += os.fstat(fd).st_ino == secret
                os.close(fd)
            os.sched_yield()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    events = [event for event in watch.act(act) if event.type in OPENS and event["fd.ino"] == secret]
    assert events
    assert {event["fd.realpath"] for event in events} == {bytes(real)}


def test_the_page_of_the_path_need_not_be_there_before_the_call(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "page"
    file.write_bytes(b"/etc/hostname\0" + bytes(4096))

    def act() -> None:
        with file.open("rb") as handle:
            pages = mmap.mmap(handle.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
        _libc.open(ctypes.byref(ctypes.c_char.from_buffer(pages)), os.O_RDONLY)

    assert watch.one(act, *OPENS, fd__name=b"/etc/hostname")["evt.res"] == b"SUCCESS"


# ---- ways into the kernel --------------------------------------------------------------------

_INT80 = bytes.fromhex("53 89f8 89f3 4189c8 89d1 4489c2 cd80 5b c3")
"""push rbx; eax, ebx, ecx, edx = the four arguments; int 0x80; pop rbx; ret"""


def _int80(number: int, *arguments: int) -> int:
    page = mmap.mmap(
        -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    )
    page.write(_INT80)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_long)(
        address
    )
    padded = (*arguments, 0, 0, 0)[:3]
    return int(function(number, *padded))


def _low(data: bytes) -> int:
    """Put data where a 32-bit pointer reaches it."""
    _libc.mmap.restype = ctypes.c_void_p
    address = _libc.mmap(None, 4096, 3, 0x62, -1, 0)  # MAP_32BIT
    ctypes.memmove(address, data, len(data))
    return int(address)


only_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="int 0x80 is x86's")


@only_x86
def test_a_32_bit_open_is_seen(watch: Watch) -> None:
    event = watch.one(lambda: _int80(5, _low(b"/etc/hostname\0"), 0), "open")
    assert (event["fd.name"], event["evt.is_open_read"], event["fd.realpath"]) == (
        b"/etc/hostname",
        True,
        b"/etc/hostname",
    )


@only_x86
def test_a_32_bit_exec_is_seen(watch: Watch) -> None:
    def act() -> None:
        path = _low(b"/bin/true\0")
        _int80(11, path, _low(struct.pack("<II", path, 0)))

    events = [e for e in watch.act(act) if e.type == "execve" and e["evt.res"] == b"SUCCESS"]
    assert [event["proc.name"] for event in events] == [b"true"]


@only_x86
def test_a_64_bit_number_is_not_taken_for_a_32_bit_one(watch: Watch) -> None:
    """5 is ``open`` for 32-bit calls and ``fstat`` for others."""
    assert [e for e in watch.act(lambda: os.fstat(0) and None) if e.type == "open"] == []


def test_io_uring_is_seen_as_it_is_set_up(watch: Watch) -> None:
    event = watch.one(lambda: _libc.syscall(425, 8, bytes(120)), "io_uring_setup")
    assert event["evt.arg.entries"] == b"8"


def test_an_open_by_another_thread_is_the_process_s(watch: Watch) -> None:
    def act() -> None:
        thread = threading.Thread(target=_open, args=("/etc/hostname",))
        thread.start()
        thread.join()

    event = watch.one(act, *OPENS, fd__name=b"/etc/hostname")
    assert event["thread.tid"] != event["proc.pid"]
    assert event["thread.ismain"] is False
    assert event["proc.name"] == Path("/proc/self/comm").read_bytes().strip()


# ---- who it is -------------------------------------------------------------------------------


def _python(code: str) -> None:
    os.execv(sys.executable, ["harmless", "-c", "import ctypes, os\nlibc = ctypes.CDLL(None)\n" + code])


_NAME = os.path.basename(os.path.realpath(sys.executable))[:15].encode()  # noqa: PTH119
_LOOK = "os.close(os.open('/etc/hostname', os.O_RDONLY))\n"


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param("libc.prctl(15, b'nginx')\n", id="prctl"),
        pytest.param("open('/proc/self/comm', 'w').write('nginx')\n", id="its comm file"),
        pytest.param(
            "libc.prctl(15, b'nginx')\nif os.fork(): os._exit(os.wait()[1])\n", id="a child after renaming"
        ),
    ],
)
def test_a_new_name_is_no_disguise(watch: Watch, disguise: str) -> None:
    event = watch.one(lambda: _python(disguise + _LOOK), *OPENS, fd__name=b"/etc/hostname")
    assert event["proc.name"] in {_NAME, b"python", b"python3"}
    assert event["proc.cmdline"].startswith(event["proc.name"] + b" -c import")


def test_overwritten_arguments_are_no_disguise(watch: Watch) -> None:
    overwrite = (
        "import re\n"
        "stat = open('/proc/self/stat').read().rpartition(')')[2].split()\n"
        "start, end = int(stat[45]), int(stat[46])\n"
        "ctypes.memset(start, 65, end - start - 1)\n"
        "assert open('/proc/self/cmdline').read().startswith('AAAA')\n"
    )
    event = watch.one(lambda: _python(overwrite + _LOOK), *OPENS, fd__name=b"/etc/hostname")
    assert event["proc.exe"] == b"harmless"
    assert b"AAAA" not in event["proc.cmdline"].replace(b"'AAAA'", b"")


def test_a_renamed_parent_keeps_its_name(watch: Watch) -> None:
    code = "libc.prctl(15, b'sshd')\nimport subprocess\nsubprocess.run(['/bin/cat', '/etc/hostname'])\n"
    event = watch.one(lambda: _python(code), *OPENS, fd__name=b"/etc/hostname", proc__name=b"cat")
    assert event["proc.pname"] in {_NAME, b"python", b"python3"}
    assert b"sshd" not in event["proc.aname"]


def test_a_program_without_a_file_is_told(watch: Watch) -> None:
    def act() -> None:
        fd = os.memfd_create("evil")
        os.write(fd, Path("/bin/true").read_bytes())
        os.execve(fd, ["nothing-to-see"], {})

    events = [
        event
        for event in watch.act(act)
        if event.type in {"execve", "execveat"} and event["evt.res"] == b"SUCCESS"
    ]
    assert len(events) == 1
    event = events[0]
    assert event["proc.is_exe_from_memfd"] is True
    assert event["proc.exepath"] == b"memfd:evil"
    assert b"EXE_FROM_MEMFD" in event["evt.arg.flags"]
    assert event["proc.exe"] == b"nothing-to-see"


def test_a_script_has_its_own_name_and_its_interpreter_s_path(watch: Watch, tmp_path: Path) -> None:
    script = tmp_path / "backup.sh"
    script.write_text("#!/bin/sh\nread x < /etc/hostname\n")
    script.chmod(0o755)
    event = watch.one(lambda: os.execv(script, ["backup.sh", "arg"]), *OPENS, fd__name=b"/etc/hostname")
    assert event["proc.name"] == b"backup.sh"
    assert os.path.realpath(event["proc.exepath"]) == os.path.realpath(b"/bin/sh")
    assert event["proc.cmdline"] == b"backup.sh " + bytes(script) + b" arg"


def test_a_deleted_program_keeps_its_path(watch: Watch, tmp_path: Path) -> None:
    program = tmp_path / "gone"
    shutil.copy("/bin/cat", program)

    def act() -> None:
        with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
            program.unlink()
            process.communicate(b"")
        fd = os.open("/etc/hostname", os.O_RDONLY)
        os.close(fd)

    events = [event for event in watch.act(act) if event["proc.name"] == b"gone"]
    assert {event["proc.exepath"] for event in events if event["evt.res"] == b"SUCCESS"} == {bytes(program)}


def test_a_vforked_child_is_seen_as_what_it_executes(watch: Watch) -> None:
    def act() -> None:
        os.posix_spawn("/bin/true", ["true"], {})
        os.wait()

    event = watch.one(act, "execve", evt__res=b"SUCCESS")
    assert (event["proc.name"], event["proc.ppid"]) == (b"true", event["proc.apid"][0])


def test_a_process_in_its_own_namespaces_has_both_numbers(watch: Watch) -> None:
    command = ["unshare", "--pid", "--mount", "--fork", "--mount-proc", "cat", "/etc/hostname"]
    event = watch.one(
        lambda: os.execvp(command[0], command), *OPENS, fd__name=b"/etc/hostname", proc__name=b"cat"
    )
    assert event["proc.vpid"] == 1
    assert event["proc.pid"] > 1
    assert event["proc.pname"] == b"unshare"


def test_arguments_longer_than_the_probe_keeps_are_cut_not_lost(watch: Watch) -> None:
    words = ["x" * 1000 for _ in range(100)]
    event = watch.one(lambda: os.execv("/bin/true", ["true", *words]), "execve", evt__res=b"SUCCESS")
    assert event["proc.name"] == b"true"
    assert 4000 < len(event["proc.args"]) < 4200
    assert event["proc.args"].startswith(b"x" * 1000 + b" ")


def test_hundreds_of_ancestors_do_not_stop_it(watch: Watch) -> None:
    def act() -> None:
        for _ in range(40):
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                os._exit(0)
        _open("/etc/hostname")

    events = [event for event in watch.act(act) if event["fd.name"] == b"/etc/hostname"]
    assert len(events) == 1
    assert len(events[0]["proc.aname"]) >= 40
