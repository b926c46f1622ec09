"""``proc.*``, ``thread.*``, ``user.*`` and ``group.*``: who made the call.

Name, executable and arguments are those of the last exec: what a process says of itself
since then does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from agent.kernel import layout
from agent.kernel.live import FIELDS, field, keyed
from agent.kernel.paths import NOT_AVAILABLE
from agent.kernel.record import Ancestor, Executed
from agent.kernel.symbols import capabilities

if TYPE_CHECKING:
    from agent.event import Value
    from agent.kernel.live import LiveEvent

_UNSET = 0xFFFFFFFF
_MEMFD = b"memfd:"
_SHELLS = frozenset({b"ash", b"bash", b"csh", b"dash", b"ksh", b"sh", b"tcsh", b"zsh", b"fish", b"busybox"})
_CAP_DAC_OVERRIDE = 1 << 1


def _split(args: bytes | None) -> list[bytes]:
    if not args:
        return []
    return (args[:-1] if args.endswith(b"\0") else args).split(b"\0")


def _exe(args: bytes | None) -> bytes | None:
    words = _split(args)
    return words[0] if words else None


def _arguments(args: bytes | None) -> bytes:
    return b" ".join(_split(args)[1:])


def _line(name: bytes | None, args: bytes | None) -> bytes:
    rest = _arguments(args)
    return (name or b"") + (b" " + rest if rest else b"")


# ---- the process itself --------------------------------------------------------------------

FIELDS["proc.name"] = lambda event: event.record.comm
FIELDS["proc.exe"] = lambda event: _exe(event.record.args) or event.record.comm
FIELDS["proc.exepath"] = lambda event: event.record.exe
FIELDS["proc.args"] = lambda event: _arguments(event.record.args)
FIELDS["proc.cmdline"] = lambda event: _line(event.record.comm, event.record.args)
FIELDS["proc.exeline"] = lambda event: _line(event["proc.exe"], event.record.args)
FIELDS["proc.cmdnargs"] = lambda event: max(0, len(_split(event.record.args)) - 1)
FIELDS["proc.cmdlenargs"] = lambda event: sum(map(len, _split(event.record.args)[1:]))


@keyed("proc.args")
def _args_at(event: LiveEvent, index: str) -> Value:
    words = _split(event.record.args)[1:]
    return words[int(index)] if int(index) < len(words) else None


@field("proc.cwd")
def _cwd(event: LiveEvent) -> Value:
    cwd = event.record.cwd
    return None if cwd is None else cwd.rstrip(b"/") + b"/"


@field("proc.env")
def _env(event: LiveEvent) -> Value:
    return b" ".join(_split(event.record.content(layout.ENV)))


@keyed("proc.env")
def _env_of(event: LiveEvent, name: str) -> Value:
    start = name.encode() + b"="
    return next(
        (word[len(start) :] for word in _split(event.record.content(layout.ENV)) if word.startswith(start)),
        None,
    )


_HEADER = {
    "proc.pid": "pid", "proc.ppid": "ppid", "proc.vpid": "vpid", "proc.pvpid": "pvpid", "proc.sid": "vsid",
    "proc.pgid": "pgid", "proc.vpgid": "vpgid", "proc.tty": "tty", "thread.tid": "tid", "thread.vtid": "vtid",
    "user.uid": "euid", "group.gid": "egid", "thread.pfmajor": "maj_flt", "thread.pfminor": "min_flt",
}  # fmt: skip


def _of_header(name: str) -> Callable[[LiveEvent], Value]:
    return lambda event: getattr(event.record.header, name)


for _key, _name in _HEADER.items():
    FIELDS[_key] = _of_header(_name)

FIELDS["thread.ismain"] = lambda event: event.record.header.pid == event.record.header.tid
FIELDS["proc.is_sid_leader"] = lambda event: event.record.header.vsid == event.record.header.vpid
FIELDS["proc.is_pgid_leader"] = lambda event: event.record.header.pgid == event.record.header.pid
FIELDS["proc.is_vpgid_leader"] = lambda event: event.record.header.vpgid == event.record.header.vpid
FIELDS["proc.fdlimit"] = lambda event: min(event.record.header.fdlimit, (1 << 63) - 1)
FIELDS["proc.vmsize"] = FIELDS["thread.vmsize"] = lambda event: event.record.header.total_vm * 4
FIELDS["thread.cap_effective"] = lambda event: capabilities(event.record.header.cap_effective)
FIELDS["thread.cap_permitted"] = lambda event: capabilities(event.record.header.cap_permitted)
FIELDS["thread.cap_inheritable"] = lambda event: capabilities(event.record.header.cap_inheritable)

# ---- times ---------------------------------------------------------------------------------

FIELDS["proc.duration"] = lambda event: max(0, event.record.header.ts - event.record.header.start)
FIELDS["proc.ppid.duration"] = lambda event: max(0, event.record.header.ts - event.record.header.pstart)
FIELDS["proc.pid.ts"] = lambda event: event.record.header.start + event.source.boot_ns
FIELDS["proc.ppid.ts"] = lambda event: event.record.header.pstart + event.source.boot_ns
FIELDS["proc.pidns_init_start_ts"] = lambda event: event.record.header.pidns_start + event.source.boot_ns

# ---- the executable ------------------------------------------------------------------------


def _identity(event: LiveEvent) -> Any:
    identity = event.record.identity
    return identity.head if identity is not None and identity.head.ino else None


def _of_identity(name: str) -> Callable[[LiveEvent], Value]:
    def value(event: LiveEvent) -> Value:
        head = _identity(event)
        return None if head is None else getattr(head, name)

    return value


FIELDS["proc.exe_ino"] = _of_identity("ino")
FIELDS["proc.exe_ino.ctime"] = _of_identity("ctime")
FIELDS["proc.exe_ino.mtime"] = _of_identity("mtime")


@field("proc.is_exe_writable")
def _writable(event: LiveEvent) -> Value:
    """Whether the user who executed the file could write it: mode bits, or the capability to ignore them."""
    head = _identity(event)
    if head is None:
        return False
    if head.readonly:
        return False
    bit = 0o200 if head.uid == head.fsuid else 0o020 if head.gid == head.fsgid else 0o002
    return bool(head.mode & bit or head.cap_effective & _CAP_DAC_OVERRIDE)


@field("proc.is_exe_upper_layer")
def _upper(event: LiveEvent) -> Value:
    head = _identity(event)
    return head is not None and head.layer == 1


@field("proc.is_exe_lower_layer")
def _lower(event: LiveEvent) -> Value:
    head = _identity(event)
    return head is not None and head.layer == 2


@field("proc.is_exe_from_memfd")
def _from_memfd(event: LiveEvent) -> Value:
    return (event.record.exe or b"").startswith(_MEMFD)


@field("proc.exe_ino.ctime_duration_proc_start")
def _changed_before_start(event: LiveEvent) -> Value:
    head = _identity(event)
    if head is None:
        return None
    return max(0, head.exec_ns + event.source.boot_ns - head.ctime)


@field("proc.exe_ino.ctime_duration_pidns_start")
def _changed_after_namespace(event: LiveEvent) -> Value:
    head, begin = _identity(event), event["proc.pidns_init_start_ts"]
    return head.ctime - begin if head is not None and head.ctime > begin else None


# ---- ancestors -----------------------------------------------------------------------------


def _a_name(ancestor: Ancestor) -> Value:
    return ancestor.comm


def _a_identity(compute: Callable[[Executed], Value]) -> Callable[[Ancestor], Value]:
    return lambda ancestor: None if ancestor.identity is None else compute(ancestor.identity)


_ANCESTOR: dict[str, Callable[[Ancestor], Value]] = {
    "name": _a_name,
    "exe": _a_identity(lambda identity: _exe(identity.args) or identity.comm),
    "exepath": _a_identity(lambda identity: identity.exe),
    "args": _a_identity(lambda identity: _arguments(identity.args)),
    "cmdline": _a_identity(lambda identity: _line(identity.comm, identity.args)),
    "pid": lambda ancestor: ancestor.head.pid,
}


def _declare_ancestor(
    suffix: str, compute: Callable[[Ancestor], Value], own: Callable[[LiveEvent], Value]
) -> None:
    def all_of(event: LiveEvent) -> Value:
        values = tuple(v for v in map(compute, event.record.ancestors) if v is not None)
        return values or None

    def one_of(event: LiveEvent, index: str) -> Value:
        number = int(index)
        if number == 0:
            return own(event)
        return compute(event.record.ancestors[number - 1]) if number <= len(event.record.ancestors) else None

    FIELDS[f"proc.a{suffix}"] = all_of
    keyed(f"proc.a{suffix}")(one_of)
    if suffix != "pid":
        FIELDS[f"proc.p{suffix}"] = lambda event: one_of(event, "1")


for _suffix, _compute in _ANCESTOR.items():
    _declare_ancestor(_suffix, _compute, FIELDS[f"proc.{_suffix}"])


def _leader(event: LiveEvent, kind: str) -> Ancestor | None:
    """Return the leader of the process's session or group, or the eldest ancestor in it; None: itself."""
    header, found = event.record.header, None
    for ancestor in event.record.ancestors:
        if getattr(ancestor.head, kind) != getattr(header, kind):
            break
        found = ancestor
        if ancestor.head.pid == getattr(header, kind):
            break
    return None if getattr(header, kind) == header.pid else found


def _declare_leader(key: str, kind: str) -> None:
    def of(suffix: str) -> Callable[[LiveEvent], Value]:
        compute, own = _ANCESTOR[suffix], FIELDS[f"proc.{suffix}"]

        def value(event: LiveEvent) -> Value:
            leader = _leader(event, kind)
            return own(event) if leader is None else compute(leader)

        return value

    FIELDS["proc.sname" if key == "sid" else f"proc.{key}.name"] = of("name")
    FIELDS[f"proc.{key}.exe"], FIELDS[f"proc.{key}.exepath"] = of("exe"), of("exepath")


for _leader_key, _kind in (("sid", "sid"), ("pgid", "pgid"), ("vpgid", "pgid")):
    _declare_leader(_leader_key, _kind)


@field("proc.loginshellid")
def _login_shell(event: LiveEvent) -> Value:
    shells = [a.head.pid for a in event.record.ancestors if a.comm in _SHELLS]
    if shells:
        return shells[-1]
    return event.record.header.pid if event.record.comm in _SHELLS else None


# ---- users ---------------------------------------------------------------------------------


# An account that nobody knows has the name "<NA>" in Falco. That is a value: `user.name != root` holds.


def _user(event: LiveEvent) -> Any:
    return event.source.users.user(event.record.header.euid, event.source.root_of(event))


@field("user.name")
def _user_name(event: LiveEvent) -> Value:
    user = _user(event)
    return user.name if user else NOT_AVAILABLE


@field("user.homedir")
def _home(event: LiveEvent) -> Value:
    user = _user(event)
    return user.home if user else NOT_AVAILABLE


@field("user.shell")
def _shell(event: LiveEvent) -> Value:
    user = _user(event)
    return user.shell if user else NOT_AVAILABLE


@field("user.loginuid")
def _loginuid(event: LiveEvent) -> Value:
    uid = event.record.header.loginuid
    return -1 if uid == _UNSET else uid


@field("user.loginname")
def _loginname(event: LiveEvent) -> Value:
    uid = event.record.header.loginuid
    user = None if uid == _UNSET else event.source.users.user(uid, event.source.root_of(event))
    return user.name if user else NOT_AVAILABLE


@field("group.name")
def _group_name(event: LiveEvent) -> Value:
    group = event.source.users.group(event.record.header.egid, event.source.root_of(event))
    return group or NOT_AVAILABLE


@field("thread.cgroups")
def _cgroups(event: LiveEvent) -> Value:
    return b" ".join(event.record.cgroups) or None
