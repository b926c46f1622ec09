"""``evt.arg.*`` and ``evt.rawarg.*``: an event's parameters, as numbers and as they are printed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from agent.fields.catalogue import CATALOGUE
from agent.kernel import layout, sockets
from agent.kernel.live import keyed
from agent.kernel.paths import NOT_AVAILABLE, join, normalise
from agent.kernel.symbols import (
    capabilities,
    enum_text,
    error,
    flags_text,
    mode_text,
    open_flags,
    signal_name,
)

if TYPE_CHECKING:
    from agent.event import Value
    from agent.kernel.live import LiveEvent
    from agent.kernel.syscalls import Param


_AT_FDCWD = -100
_UNSIGNED = {"u32": ("<I", 4), "u64": ("<Q", 8), "s32": ("<i", 4)}
_FMODE_CREATED = 1 << 20
_NO_ACCESS = 3
"""Access mode that is neither reading nor writing."""
_OPENS = frozenset({"open", "openat", "openat2", "open_by_handle_at"})
_DESCRIPTOR_FLAGS = frozenset(
    {"dup3", "pipe2", "userfaultfd", "inotify_init1", "eventfd2", "signalfd4", "delete_module"}
)
_SIGNED = frozenset({"INT8", "INT16", "INT32", "INT64", "PID", "ERRNO", "FD"})
_WIDTH = {"8": 0xFF, "16": 0xFFFF, "32": 0xFFFFFFFF}
_SPAWNS = frozenset({"clone", "clone3", "fork", "vfork"})
_EXECS = frozenset({"execve", "execveat"})


def _signed32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def raw(event: LiveEvent, name: str) -> Any:
    """Return a parameter's value: a number, bytes, or None."""
    param = event.call.params.get(name)
    if param is None:
        return _special(event, name)
    return _source(event, param)


def _source(event: LiveEvent, param: Param) -> Any:  # noqa: PLR0911 - one answer for each kind of source
    header = event.record.header
    if param.kind == "ret":
        return header.ret
    if param.kind == "a":
        return event.record.arguments[param.index]
    if param.kind == "f":
        return header.ret if param.type == "ret" else _signed32(event.record.arguments[int(param.type)])
    if param.kind in ("s", "p"):
        return event.record.content(layout.STRING, param.index)
    if param.kind == "x":
        memory, (form, size) = event.record.content(layout.AUX), _UNSIGNED[param.type]
        if memory is None or len(memory) < param.index + size:
            return None
        return struct.unpack_from(form, memory, param.index)[0]
    if param.kind == "data":
        return event.record.content(layout.DATA) or event.record.content(layout.AUX)
    return sockets.parameter(event, param.kind)


def _special(event: LiveEvent, name: str) -> Any:
    if event.type in _EXECS or event.type in _SPAWNS:
        return _of_process(event, name)
    if event.type == "procexit":
        return _of_exit(event, name)
    slot = event.call.main
    file = event.record.file(slot) if slot is not None and name in ("dev", "ino") else None
    if file is None:
        return None
    return file.head.ino if name == "ino" else file.head.dev


def _of_exit(event: LiveEvent, name: str) -> Any:
    status = event.record.header.args0 & 0xFFFF
    return {"status": status, "ret": status >> 8, "sig": status & 0x7F, "core": int(bool(status & 0x80))}.get(
        name
    )


def _of_process(event: LiveEvent, name: str) -> Any:
    key = {
        "exe": "proc.exe",
        "args": "proc.args",
        "comm": "proc.name",
        "cwd": "proc.cwd",
        "env": "proc.env",
        "tty": "proc.tty",
        "pid": "proc.pid",
        "ptid": "proc.ppid",
        "tid": "thread.tid",
        "vtid": "thread.vtid",
        "vpid": "proc.vpid",
        "loginuid": "user.loginuid",
        "exe_ino": "proc.exe_ino",
        "exe_ino_ctime": "proc.exe_ino.ctime",
        "exe_ino_mtime": "proc.exe_ino.mtime",
        "trusted_exepath": "proc.exepath",
        "pgid": "proc.pgid",
        "vpgid": "proc.vpgid",
        "uid": "user.uid",
        "gid": "group.gid",
        "fdlimit": "proc.fdlimit",
        "pgft_maj": "thread.pfmajor",
        "pgft_min": "thread.pfminor",
        "pidns_init_start_ts": "proc.pidns_init_start_ts",
    }.get(name)
    if key is not None:
        return event[key]
    header = event.record.header
    if name == "flags":
        return _exec_flags(event) if event.type in _EXECS else 0
    return {
        "cap_inheritable": header.cap_inheritable,
        "cap_permitted": header.cap_permitted,
        "cap_effective": header.cap_effective,
    }.get(name)


def _exec_flags(event: LiveEvent) -> int:
    bits = (
        "proc.is_exe_writable",
        "proc.is_exe_upper_layer",
        "proc.is_exe_from_memfd",
        "proc.is_exe_lower_layer",
    )
    return sum(1 << bit for bit, key in enumerate(bits) if event[key])


def open_flags_of(event: LiveEvent) -> int:
    """Return the flags of an opening call as rules see them."""
    file = event.record.file(event.call.main) if event.call.main is not None else None
    created = bool(file and file.head.fmode & _FMODE_CREATED)
    return open_flags(raw(event, "flags") or 0, created=created, layer=file.head.layer if file else 0)


def directory(event: LiveEvent, param: Param) -> bytes | None:
    """Return the directory that a relative path of this parameter starts from."""
    if param.base is None:
        return event.record.cwd
    number = _signed32(event.record.arguments[int(param.type)])
    if number == _AT_FDCWD:
        return event.record.cwd
    file = event.record.file(param.base)
    return file.path if file else None


def absolute(event: LiveEvent, name: str) -> bytes | None:
    """Return a path parameter made absolute and normalised, or None."""
    param = event.call.params.get(name)
    value = raw(event, name) if param else None
    if param is None or value is None or param.kind != "p":
        return value if isinstance(value, bytes) else None
    return normalise(value if value.startswith(b"/") else join(directory(event, param), value))


def _path_text(event: LiveEvent, param: Param, value: bytes) -> bytes:
    """Return a path as printed: an absolute one as it was passed, a relative one made absolute."""
    return value if value.startswith(b"/") else normalise(join(directory(event, param), value))


def _described(event: LiveEvent, param: Param | None, number: int) -> bytes:
    """Return what a file descriptor parameter stands for."""
    if number < 0:
        return (
            error(-number)
            if number > -4096 and number != _AT_FDCWD
            else b"AT_FDCWD"
            if number == _AT_FDCWD
            else b""
        )
    if param is None or param.kind != "f":
        return b""
    return sockets.described(event, param.index, main=param.index == event.call.main)


def _named(event: LiveEvent, type_: str, name: str, value: Any) -> bytes:  # noqa: PLR0911 - one answer for each type
    """Return the text that stands for a number, empty if there is none."""
    param = event.call.params.get(name)
    if type_ == "FD":
        return _described(event, param, value)
    if type_ == "ERRNO":
        return error(-value) if -4096 < value < 0 else b""
    if type_ == "SIGTYPE":
        return signal_name(value)
    if type_ == "MODE":
        return mode_text(value)
    if type_ == "PID":
        return event.record.comm if value == event.record.header.pid else b""
    if type_ == "UID":
        user = event.source.users.user(value & 0xFFFFFFFF, event.source.root_of(event))
        return user.name if user else b""
    if type_ == "GID":
        return event.source.users.group(value & 0xFFFFFFFF, event.source.root_of(event)) or b""
    if type_.startswith("ENUMFLAGS"):
        return enum_text(event.type, name, value)
    if type_.startswith("FLAGS"):
        return flags_text(event.type, name, value)
    return b""


def _adapted(event: LiveEvent, type_: str, name: str, value: Any) -> Any:  # noqa: PLR0911 - one answer for each type
    """Return a number in the width and the coding in which rules see it."""
    if not isinstance(value, int):
        return value
    if name == "flags" and event.type in _OPENS:
        return open_flags_of(event)
    if name == "flags" and event.type in _DESCRIPTOR_FLAGS:
        return open_flags(value | _NO_ACCESS)
    if type_ in ("UID", "GID"):
        return -1 if value in (0xFFFFFFFF, -1) else value & 0xFFFFFFFF
    if type_ in ("FD", "PID") or (type_ in _SIGNED and name != "res"):
        return value if type_ == "INT64" or -(1 << 31) <= value < 0 else _signed32(value)
    if type_ == "MODE":
        return value & 0o7777
    width = type_.lstrip("".join(set(type_) - set("0123456789")))
    return value & _WIDTH.get(width, 0xFFFFFFFFFFFFFFFF) if type_ not in _SIGNED else value


def _number(type_: str, name: str, value: int) -> bytes:
    if type_ == "MODE":
        return b"0%o" % value
    if type_ == "UINT64" and name == "addr":
        return b"%X" % value
    return b"%d" % value


def printable(data: bytes) -> bytes:
    """Return data with a dot for each byte that cannot be printed."""
    return bytes(byte if 0x20 <= byte < 0x7F else 0x2E for byte in data)


def text(event: LiveEvent, name: str, type_: str) -> tuple[bytes, bytes] | None:
    """Return a parameter's number and what it stands for, both as printed; None for no value."""
    value = raw(event, name)
    if value is None:
        return None
    param = event.call.params.get(name)
    if isinstance(value, bytes):
        if param is not None and param.kind == "p":
            return _path_text(event, param, value), b""
        return (printable(value) if type_ == "BYTEBUF" else value), b""
    value = _adapted(event, type_, name, int(value))
    if name.startswith("cap_") and type_ == "UINT64":
        return b"%d" % value, capabilities(value)
    return _number(type_, name, value), _named(event, type_, name, value)


def texts(event: LiveEvent) -> list[tuple[bytes, bytes]]:
    """Return every parameter's name and text, in the catalogue's order, as ``evt.args`` shows them."""
    info = CATALOGUE.event(event.type)
    found = []
    for param in info.params if info else ():
        both = text(event, param.name, param.type)
        shown = NOT_AVAILABLE if both is None else both[0] + (b"(" + both[1] + b")" if both[1] else b"")
        found.append((param.name.encode(), shown))
    return found


def _declared(event: LiveEvent, name: str) -> tuple[str, str] | None:
    info = CATALOGUE.event(event.type)
    params = info.params if info else ()
    if name.isdigit():
        return (params[int(name)].name, params[int(name)].type) if int(name) < len(params) else None
    found = next((param for param in params if param.name == name), None)
    if found is not None:
        return name, found.type
    return (name, "") if name in event.call.params else None


@keyed("evt.arg", dotted=True)
def _arg(event: LiveEvent, name: str) -> Value:
    declared = _declared(event, name)
    both = text(event, *declared) if declared else None
    return None if both is None else both[1] or both[0]


@keyed("evt.rawarg", dotted=True)
def _rawarg(event: LiveEvent, name: str) -> Value:
    declared = _declared(event, name)
    if declared is None:
        return None
    return _adapted(event, declared[1], declared[0], raw(event, declared[0]))
