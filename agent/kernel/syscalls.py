"""The system calls: under which numbers they come, and where their parameters are.

One line of ``_TABLE`` for each event type whose parameters are captured: its name, then
``parameter=source`` in words. Sources:

===========  ================================================================================
``ret``      the return value                        ``aN``  argument N (0 is the first)
``rfd``      the file behind the returned number     ``fN``  the file behind argument N
``sN``       text at argument N                      ``pN``  a path at argument N
``pN@M``     the same, relative to the directory behind argument N
``xO.T``     value of type T (``u32``, ``u64``, ``s32``) at byte O of the copied memory
``data``     the buffer                              ``tuple``, ``addr``  the socket's ends
===========  ================================================================================

A ``*`` before a source: this is the file that ``fd.*`` is about. And three words that say what the
probe has to copy besides: ``+aux=N:size`` memory at argument N, ``+addr=N:M`` a socket address
and the argument with its length (6: it is the kernel that wrote it), ``+data=kind`` (see ``DATA_KINDS``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from agent.kernel import layout
from agent.kernel.numbers import numbers

DATA_KINDS = {"read": 1, "write": 2, "vector": 3, "sendmsg": 5, "recvmsg": 4}
"""How the probe finds the buffer of a call that has one."""

PROCEXIT = "procexit"
"""The one event type that is no system call: a task ended."""

_TABLE = """
open fd=*rfd name=p0 flags=a1 mode=a2
openat fd=*rfd dirfd=f0 name=p1@0 flags=a2 mode=a3
openat2 fd=*rfd dirfd=f0 name=p1@0 flags=x0.u64 mode=x8.u64 resolve=x16.u64 +aux=2:24
creat fd=*rfd name=p0 mode=a1
open_by_handle_at fd=*rfd mountfd=f0 flags=a2
close res=ret fd=a0
read res=ret data=data fd=*f0 size=a2 +data=read
write res=ret data=data fd=*f0 size=a2 +data=write
pread res=ret data=data fd=*f0 size=a2 pos=a3 +data=read
pwrite res=ret data=data fd=*f0 size=a2 pos=a3 +data=write
readv res=ret size=ret data=data fd=*f0 +data=vector
writev res=ret data=data fd=*f0 size=ret +data=vector
preadv res=ret size=ret data=data fd=*f0 pos=a3 +data=vector
pwritev res=ret data=data fd=*f0 size=ret pos=a3 +data=vector
socket fd=*rfd domain=a0 type=a1 proto=a2
socketpair res=ret fd1=x0.s32 fd2=x4.s32 domain=a0 type=a1 proto=a2 +aux=3:8
bind res=ret addr=addr fd=*f0 +addr=1:2
connect res=ret tuple=tuple fd=*f0 addr=addr +addr=1:2
listen res=ret fd=*f0 backlog=a1
accept fd=*rfd tuple=tuple
accept4 fd=*rfd tuple=tuple flags=a3
send res=ret data=data fd=*f0 size=a2 tuple=tuple +data=write
sendto res=ret data=data fd=*f0 size=a2 tuple=tuple +data=write +addr=4:5
recv res=ret data=data fd=*f0 size=a2 tuple=tuple +data=read
recvfrom res=ret data=data tuple=tuple fd=*f0 size=a2 +data=read +addr=4:6
sendmsg res=ret data=data fd=*f0 size=ret tuple=tuple +data=sendmsg
sendmmsg res=ret fd=*f0 size=ret data=data tuple=tuple +data=sendmsg
recvmsg res=ret size=ret data=data tuple=tuple fd=*f0 +data=recvmsg
recvmmsg res=ret fd=*f0 size=ret data=data tuple=tuple +data=recvmsg
shutdown res=ret fd=*f0 how=a1
setsockopt res=ret fd=*f0 level=a1 optname=a2 optlen=a4
getsockopt res=ret fd=*f0 level=a1 optname=a2
pipe res=ret fd1=x0.s32 fd2=x4.s32 +aux=0:8
pipe2 res=ret fd1=x0.s32 fd2=x4.s32 flags=a1 +aux=0:8
eventfd res=*rfd initval=a0
eventfd2 res=*rfd flags=a1 initval=a0
futex res=ret addr=a0 op=a1 val=a2
stat res=ret path=p0
lstat res=ret path=p0
stat64 res=ret path=p0
lstat64 res=ret path=p0
fstat res=ret fd=*f0
fstat64 res=ret
newfstatat res=ret dirfd=f0 path=p1@0 flags=a3
epoll_wait res=ret maxevents=a2
epoll_create res=ret size=a0
epoll_create1 res=ret flags=a0
poll res=ret timeout=a2
select res=ret
lseek res=ret fd=*f0 offset=a1 whence=a2
llseek res=ret fd=*f0 offset=a2 whence=a4
getcwd res=ret path=s0
chdir res=ret path=s0
fchdir res=ret fd=*f0
chroot res=ret path=p0
signalfd res=*rfd fd=f0
signalfd4 res=*rfd flags=a3 fd=f0
kill res=ret pid=a0 sig=a1
tkill res=ret tid=a0 sig=a1
tgkill res=ret pid=a0 tid=a1 sig=a2
timerfd_create res=*rfd clockid=a0 flags=a1
inotify_init res=*rfd
inotify_init1 res=*rfd flags=a0
getrlimit res=ret cur=x0.u64 max=x8.u64 resource=a0 +aux=1:16
setrlimit res=ret cur=x0.u64 max=x8.u64 resource=a0 +aux=1:16
prlimit res=ret newcur=x0.u64 newmax=x8.u64 pid=a0 resource=a1 +aux=2:16
fcntl res=rfd fd=*f0 cmd=a1 arg=a2
brk res=ret addr=a0
mmap res=ret addr=a0 length=a1 prot=a2 flags=a3 fd=*f4 offset=a5
mmap2 res=ret addr=a0 length=a1 prot=a2 flags=a3 fd=*f4 pgoffset=a5
munmap res=ret addr=a0 length=a1
mprotect res=ret addr=a0 length=a1 prot=a2
splice res=ret fd_in=*f0 fd_out=f2 size=a4 flags=a5
sendfile res=ret offset=a2 out_fd=*f0 in_fd=f1 size=a3
copy_file_range res=ret fdout=f2 offout=a3 fdin=*f0 offin=a1 len=a4
ptrace res=ret addr=a2 data=a3 request=a0 pid=a1
ioctl res=ret fd=*f0 request=a1 argument=a2
rename res=ret oldpath=p0 newpath=p1
renameat res=ret olddirfd=f0 oldpath=p1@0 newdirfd=f2 newpath=p3@2
renameat2 res=ret olddirfd=f0 oldpath=p1@0 newdirfd=f2 newpath=p3@2 flags=a4
symlink res=ret target=s0 linkpath=p1
symlinkat res=ret target=s0 linkdirfd=f1 linkpath=p2@1
link res=ret oldpath=p0 newpath=p1
linkat res=ret olddir=f0 oldpath=p1@0 newdir=f2 newpath=p3@2 flags=a4
unlink res=ret path=p0
unlinkat res=ret dirfd=f0 name=p1@0 flags=a2
mkdir res=ret path=p0 mode=a1
mkdirat res=ret dirfd=f0 path=p1@0 mode=a2
rmdir res=ret path=p0
mknod res=ret path=p0 mode=a1 dev=a2
mknodat res=ret dirfd=f0 path=p1@0 mode=a2 dev=a3
access res=ret name=p0 mode=a1
chmod res=ret filename=p0 mode=a1
fchmod res=ret fd=*f0 mode=a1
fchmodat res=ret dirfd=f0 filename=p1@0 mode=a2
chown res=ret path=p0 uid=a1 gid=a2
lchown res=ret path=p0 uid=a1 gid=a2
fchown res=ret fd=*f0 uid=a1 gid=a2
fchownat res=ret dirfd=f0 pathname=p1@0 uid=a2 gid=a3 flags=a4
setuid res=ret uid=a0
setgid res=ret gid=a0
setreuid res=ret ruid=a0 euid=a1
setregid res=ret rgid=a0 egid=a1
setresuid res=ret ruid=a0 euid=a1 suid=a2
setresgid res=ret rgid=a0 egid=a1 sgid=a2
getuid uid=ret
geteuid euid=ret
getgid gid=ret
getegid egid=ret
clone res=ret flags=a0
fork res=ret
vfork res=ret
clone3 res=ret flags=x0.u64 +aux=0:8
execve res=ret filename=p0
execveat res=ret
setns res=ret fd=*f0 nstype=a1
unshare res=ret flags=a0
getdents res=ret fd=*f0
getdents64 res=ret fd=*f0
flock res=ret fd=*f0 operation=a1
mount res=ret dev=s0 dir=p1 type=s2 flags=a3
umount res=ret name=p0
umount2 res=ret name=p0 flags=a1
setsid res=ret
setpgid res=ret pid=a0 pgid=a1
seccomp res=ret op=a0 flags=a1
userfaultfd res=ret flags=a0
io_uring_setup res=ret entries=a0 sq_entries=x0.u32 cq_entries=x4.u32 flags=x8.u32 features=x20.u32 +aux=1:24
io_uring_enter res=ret fd=*f0 to_submit=a1 min_complete=a2 flags=a3
io_uring_register res=ret fd=*f0 opcode=a1 arg=a2 nr_args=a3
mlock res=ret addr=a0 len=a1
munlock res=ret addr=a0 len=a1
mlock2 res=ret addr=a0 len=a1 flags=a2
mlockall res=ret flags=a0
munlockall res=ret
capset res=ret
dup res=*rfd oldfd=f0
dup2 res=*rfd oldfd=f0 newfd=f1
dup3 res=*rfd oldfd=f0 newfd=f1 flags=a2
bpf fd=*rfd cmd=a0
fsconfig res=ret fd=*f0 cmd=a1 key=s2 aux=a4
prctl res=ret option=a0 arg2_str=s1 arg2_int=a1
memfd_create fd=*rfd name=s0 flags=a1
pidfd_getfd fd=*rfd pid_fd=f0 target_fd=a1 flags=a2
pidfd_open fd=*rfd pid=a0 flags=a1
init_module res=ret img=data length=a1 uargs=s2 +aux=0:80
finit_module res=ret fd=*f0 uargs=s1 flags=a2
delete_module res=ret name=s0 flags=a1
process_vm_readv res=ret pid=a0
process_vm_writev res=ret pid=a0
close_range res=ret first=a0 last=a1 flags=a2
keyctl res=ret operation=a0 arg2=a1 arg3=a2 arg4=a3 arg5=a4
semget res=ret key=a0 nsems=a1 semflg=a2
semctl res=ret semid=a0 semnum=a1 cmd=a2
semop res=ret nsops=a2 semid=a0
fchmodat2 - dirfd=f0 filename=p1@0 mode=a2 flags=a3
"""

_ALIASES = {
    "pread64": "pread",
    "pwrite64": "pwrite",
    "prlimit64": "prlimit",
    "_llseek": "llseek",
    "ugetrlimit": "getrlimit",
    "fcntl64": "fcntl",
    "sendfile64": "sendfile",
    "truncate64": "truncate",
    "ftruncate64": "ftruncate",
    "fadvise64_64": "fadvise64",
}
"""The kernel's name where the event type has another."""
_SUFFIXES = ("_time64", "64", "32")
_SOCKETCALL = (
    "",
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
)
"""Calls behind the 32-bit ``socketcall``, by its first argument: ``include/uapi/linux/net.h``."""
_X32 = {
    "rt_sigaction": 512,
    "ioctl": 514,
    "readv": 515,
    "writev": 516,
    "recvfrom": 517,
    "sendmsg": 518,
    "recvmsg": 519,
    "execve": 520,
    "ptrace": 521,
    "setsockopt": 541,
    "getsockopt": 542,
    "execveat": 545,
}
"""Numbers of the x32 ABI where they are its own; its other calls share the 64-bit numbers."""

COMPAT = 1024
"""Index of the first 32-bit call in the probe's table."""
SOCKETCALL = COMPAT + 512
"""Index of the first call behind ``socketcall``."""


@dataclass(frozen=True)
class Param:
    """Where a parameter's value is. ``kind`` is the first letter of the source, or its word."""

    name: str
    kind: str
    index: int = 0
    """Argument number, slot, or offset, as the kind needs it."""
    base: int | None = None
    """Slot of the directory that a path is relative to."""
    type: str = ""


@dataclass
class Call:
    """How one event type is captured."""

    name: str
    params: dict[str, Param] = field(default_factory=dict)
    main: int | None = None
    """Slot of the file that ``fd.*`` is about."""
    main_arg: int | None = None
    """Its argument; ``None`` with a main slot: it is the return value."""
    strings: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    """Argument numbers (``-1``: the return value) by slot."""
    aux: tuple[int, int] = (-1, 0)
    address: tuple[int, int] = (-1, 0)
    data: str = ""

    def descriptor(self, number: int) -> bytes:
        """Return what the probe needs to know, as ``layout.CALL``; ``number`` is the event type's."""
        strings = [arg + 1 for arg in self.strings]
        files = [layout.RETURN if arg < 0 else arg + 1 for arg in self.files]
        strings += [0] * (3 - len(strings))
        files += [0] * (3 - len(files))
        aux, address = self.aux, self.address
        rest = (aux[0] + 1, aux[1], address[0] + 1, address[1] + 1, DATA_KINDS.get(self.data, 0), 0, 0, 0)
        return layout.CALL.struct.pack(number, *strings, *files, *rest)


def _slot(slots: list[int], arg: int) -> int:
    if arg not in slots:
        slots.append(arg)
    return slots.index(arg)


def _param(call: Call, name: str, source: str) -> Param:
    main, source = source.startswith("*"), source.lstrip("*")
    kind, rest = source[0], source[1:]
    if source == "rfd" or (kind == "f" and rest.isdigit()):
        arg = -1 if source == "rfd" else int(rest)
        slot = _slot(call.files, arg)
        if main:
            call.main, call.main_arg = slot, None if arg < 0 else arg
        return Param(name, "f", slot, type="ret" if arg < 0 else str(arg))
    if kind in "sp" and rest[:1].isdigit():
        number, _, base = rest.partition("@")
        directory = _slot(call.files, int(base)) if base else None
        return Param(name, kind, _slot(call.strings, int(number)), directory, base)
    if kind == "x":
        offset, _, type_ = rest.partition(".")
        return Param(name, "x", int(offset), type=type_)
    if kind == "a" and rest.isdigit():
        return Param(name, "a", int(rest))
    return Param(name, source)


def _parse(line: str) -> Call:
    name, *words = line.split()
    call = Call(name)
    for word in words:
        key, _, value = word.partition("=")
        if key == "+aux":
            arg, _, size = value.partition(":")
            call.aux = int(arg), int(size)
        elif key == "+addr":
            arg, _, length = value.partition(":")
            call.address = int(arg), int(length)
        elif key == "+data":
            call.data = value
        elif value:
            call.params[key] = _param(call, key, value)
    return call


@cache
def calls() -> dict[str, Call]:
    """Every event type that capture can give, by name; those without parameters here too."""
    table = {call.name: call for call in map(_parse, _TABLE.strip().splitlines())}
    for name in numbers_by_type():
        table.setdefault(name, Call(name))
    table[PROCEXIT] = Call(PROCEXIT)
    return table


def event_name(name: str) -> str:
    """Return the event type of a system call that the kernel calls ``name``."""
    if name in _ALIASES:
        return _ALIASES[name]
    for suffix in _SUFFIXES:
        base = name[: -len(suffix)]
        if name.endswith(suffix) and base in numbers():
            return (
                name
                if name in {"stat64", "lstat64", "fstat64", "getdents64", "statfs64", "fstatfs64"}
                else base
            )
    return name


@cache
def numbers_by_type() -> dict[str, frozenset[int]]:
    """Event type to the indices of its calls in the probe's table."""
    found: dict[str, set[int]] = {}
    for kernel_name, (wide, narrow) in numbers().items():
        indices = found.setdefault(event_name(kernel_name), set())
        if wide is not None:
            indices.add(wide)
        if narrow is not None:
            indices.add(COMPAT + narrow)
    for number, name in enumerate(_SOCKETCALL):
        if name:
            found.setdefault(name, set()).add(SOCKETCALL + number)
    for name, own in _X32.items():
        found[name].add(own)
    found.pop("socketcall", None)
    return {name: frozenset(indices) for name, indices in found.items()}


@cache
def type_numbers() -> dict[str, int]:
    """Return the number of each event type in records, from 1."""
    return {name: number for number, name in enumerate(sorted(calls()), 1)}
