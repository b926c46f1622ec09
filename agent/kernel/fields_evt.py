"""``evt.*``, ``syscall.type``, and the ``fs.path.*`` fields."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from agent.kernel import layout, syscalls
from agent.kernel.fields_args import absolute, open_flags_of, raw, texts
from agent.kernel.live import FIELDS, field, keyed
from agent.kernel.symbols import OPEN, error

if TYPE_CHECKING:
    from agent.event import Value
    from agent.kernel.live import LiveEvent

_SECOND = 1_000_000_000
_OPENS = frozenset({"open", "openat", "openat2", "open_by_handle_at"})
_READS = frozenset({"read", "pread", "readv", "preadv", "recv", "recvfrom", "recvmsg", "recvmmsg"})
_WRITES = frozenset({"write", "pwrite", "writev", "pwritev", "send", "sendto", "sendmsg", "sendmmsg"})
_WAITS = frozenset(
    {"poll", "ppoll", "select", "pselect6", "epoll_wait", "nanosleep", "futex", "wait4", "waitid"}
)
_PATHS = ("name", "path", "pathname", "filename", "dir")
_TWO_PATHS = {
    "rename": ("oldpath", "newpath"), "renameat": ("oldpath", "newpath"), "renameat2": ("oldpath", "newpath"),
    "link": ("newpath", "oldpath"), "linkat": ("newpath", "oldpath"),
    "symlink": ("linkpath", "target"), "symlinkat": ("linkpath", "target"),
}  # fmt: skip
"""Source and target as the language has them: for links the source is the new path."""
_CATEGORIES = {
    "file": (
        "open openat openat2 creat open_by_handle_at close stat lstat fstat stat64 lstat64 fstat64"
        " newfstatat access chmod"
        " fchmod fchmodat chown lchown fchown fchownat rename renameat renameat2 link linkat symlink"
        " symlinkat unlink"
        " unlinkat mkdir mkdirat rmdir mount umount umount2 chdir fchdir getcwd lseek llseek flock dup"
        " dup2 dup3 sendfile"
        " getdents getdents64 mknod mknodat chroot"
    ),
    "net": (
        "socket bind connect listen accept accept4 send sendto sendmsg sendmmsg recv recvfrom recvmsg"
        " recvmmsg shutdown"
        " getsockname getpeername socketpair setsockopt getsockopt"
    ),
    "process": (
        "clone clone3 fork vfork execve execveat procexit ptrace setns unshare kill tkill tgkill setpgid"
        " setsid prctl"
    ),
    "memory": "brk mmap mmap2 munmap mprotect mlock munlock mlockall munlockall mlock2",
    "user": "setuid setgid setreuid setregid setresuid setresgid getuid geteuid getgid getegid capset",
    "system": "bpf init_module finit_module delete_module userfaultfd",
    "wait": "poll ppoll select epoll_wait nanosleep futex",
    "signal": "signalfd signalfd4",
    "ipc": "pipe pipe2 eventfd eventfd2",
}
_CATEGORY = {name: category.encode() for category, names in _CATEGORIES.items() for name in names.split()}


@field("evt.type")
def _type(event: LiveEvent) -> Value:
    return event.type.encode()


@field("syscall.type")
def _syscall(event: LiveEvent) -> Value:
    return None if event.type == syscalls.PROCEXIT else event.type.encode()


FIELDS["evt.num"] = lambda event: event.number
FIELDS["evt.dir"] = lambda _event: b"<"
FIELDS["evt.source"] = lambda _event: b"syscall"
FIELDS["evt.is_async"] = lambda _event: False
FIELDS["evt.cpu"] = lambda event: event.record.header.cpu
FIELDS["evt.hostname"] = lambda _event: os.environ.get("FALCO_HOSTNAME", socket.gethostname()).encode()
FIELDS["evt.count"] = FIELDS["evt.count.exit"] = lambda _event: 1


@keyed("evt.type.is", dotted=True)
def _is(event: LiveEvent, name: str) -> Value:
    return int(event.type == name)


# ---- time ----------------------------------------------------------------------------------


@field("evt.rawtime")
def _rawtime(event: LiveEvent) -> Value:
    return event.time_ns


FIELDS["evt.rawtime.s"] = lambda event: event.time_ns // _SECOND
FIELDS["evt.rawtime.ns"] = lambda event: event.time_ns % _SECOND
FIELDS["evt.reltime"] = lambda event: event.time_ns - event.source.first_ns
FIELDS["evt.reltime.s"] = lambda event: (event.time_ns - event.source.first_ns) // _SECOND
FIELDS["evt.reltime.ns"] = lambda event: (event.time_ns - event.source.first_ns) % _SECOND


def _clock(event: LiveEvent, form: str) -> bytes:
    return time.strftime(form, time.localtime(event.time_ns // _SECOND)).encode()


def _fraction(event: LiveEvent) -> bytes:
    return b".%09d" % (event.time_ns % _SECOND)


FIELDS["evt.time"] = lambda event: _clock(event, "%H:%M:%S") + _fraction(event)
FIELDS["evt.time.s"] = lambda event: _clock(event, "%H:%M:%S")
FIELDS["evt.datetime"] = lambda event: _clock(event, "%Y-%m-%d %H:%M:%S") + _fraction(event)
FIELDS["evt.datetime.s"] = lambda event: _clock(event, "%Y-%m-%d %H:%M:%S")


@field("evt.time.iso8601")
def _iso(event: LiveEvent) -> Value:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event.time_ns // _SECOND)).encode()
    return whole + _fraction(event) + b"+0000"


# ---- result --------------------------------------------------------------------------------


def _has_result(event: LiveEvent) -> bool:
    return event.type != syscalls.PROCEXIT


@field("evt.res")
def _res(event: LiveEvent) -> Value:
    if not _has_result(event):
        return None
    ret = event.record.header.ret
    return error(-ret) if -4096 < ret < 0 else b"SUCCESS"


@field("evt.rawres")
def _rawres(event: LiveEvent) -> Value:
    return event.record.header.ret if _has_result(event) else None


@field("evt.failed")
def _failed(event: LiveEvent) -> Value:
    return -4096 < event.record.header.ret < 0


@field("evt.count.error")
def _error(event: LiveEvent) -> Value:
    return int(_failed(event))


def _error_in(*categories: bytes) -> None:
    key = f"evt.count.error.{categories[0].decode()}"
    FIELDS[key] = lambda event: int(_failed(event) and _CATEGORY.get(event.type) in categories)


_error_in(b"file")
_error_in(b"net")
_error_in(b"memory")
FIELDS["evt.count.error.other"] = lambda event: int(
    _failed(event) and _CATEGORY.get(event.type) not in {b"file", b"net", b"memory"}
)


@field("evt.category")
def _category(event: LiveEvent) -> Value:
    if event.type in _READS | _WRITES and event.type not in _CATEGORIES["net"].split():
        head = event.record.file(event.call.main or 0)
        return b"net" if head and head.head.family else b"file"
    return _CATEGORY.get(event.type, b"other")


# ---- input and output ----------------------------------------------------------------------

FIELDS["evt.is_io"] = lambda event: event.type in _READS or event.type in _WRITES
FIELDS["evt.is_io_read"] = lambda event: event.type in _READS
FIELDS["evt.is_io_write"] = lambda event: event.type in _WRITES
FIELDS["evt.is_wait"] = lambda event: event.type in _WAITS
FIELDS["evt.buffer"] = lambda event: event.record.content(layout.DATA)


@field("evt.io_dir")
def _io_dir(event: LiveEvent) -> Value:
    return b"r" if event.type in _READS else b"w" if event.type in _WRITES else None


@field("evt.buflen")
def _buflen(event: LiveEvent) -> Value:
    return max(0, event.record.header.ret) if event.call.data else None


@field("evt.is_syslog")
def _is_syslog(event: LiveEvent) -> Value:
    return event.type in _WRITES and b"/dev/log" in (event["fd.name"] or b"")


# ---- opening -------------------------------------------------------------------------------


@field("evt.is_open_read")
def _open_read(event: LiveEvent) -> Value:
    return event.type in _OPENS and bool(open_flags_of(event) & OPEN["O_RDONLY"])


@field("evt.is_open_write")
def _open_write(event: LiveEvent) -> Value:
    return event.type in _OPENS and bool(open_flags_of(event) & OPEN["O_WRONLY"])


@field("evt.is_open_exec")
def _open_exec(event: LiveEvent) -> Value:
    if event.type not in _OPENS and event.type != "creat":
        return False
    mode = raw(event, "mode") or 0
    creates = event.type == "creat" or open_flags_of(event) & (OPEN["O_CREAT"] | OPEN["O_TMPFILE"])
    return bool(creates and mode & 0o111)


@field("evt.is_open_create")
def _open_create(event: LiveEvent) -> Value:
    return event.type in _OPENS and bool(open_flags_of(event) & OPEN["O_F_CREATED"])


# ---- parameters ----------------------------------------------------------------------------


@field("evt.args", "evt.info")
def _args(event: LiveEvent) -> Value:
    return b" ".join(name + b"=" + text for name, text in texts(event))


@keyed("evt.abspath", dotted=True)
def _abspath(event: LiveEvent, which: str) -> Value:
    names = {"src": ("oldpath", "target"), "dst": ("newpath", "linkpath")}.get(which, _PATHS)
    return next((value for value in (absolute(event, name) for name in names) if value is not None), None)


def _one_path(event: LiveEvent) -> str | None:
    return next((name for name in _PATHS if name in event.call.params), None)


FIELDS["evt.abspath"] = lambda event: absolute(event, _one_path(event) or "")
FIELDS["fs.path.name"] = lambda event: absolute(event, _one_path(event) or "")
FIELDS["fs.path.nameraw"] = lambda event: raw(event, _one_path(event) or "")


def _side(event: LiveEvent, index: int) -> str:
    return _TWO_PATHS.get(event.type, ("", ""))[index]


FIELDS["fs.path.source"] = lambda event: absolute(event, _side(event, 0))
FIELDS["fs.path.sourceraw"] = lambda event: raw(event, _side(event, 0))
FIELDS["fs.path.target"] = lambda event: absolute(event, _side(event, 1))
FIELDS["fs.path.targetraw"] = lambda event: raw(event, _side(event, 1))
