"""The records that probes write and the reader decodes: one description for both sides.

A record is a fixed header, then parts until its end. Every part begins with ``part`` and is
padded to 8 bytes. A path part holds its components from the leaf to the root, each ended
by NUL. An identity is ``ident`` and its text, which is parts again: the executable's path
and the arguments.
"""

from __future__ import annotations

import struct

_FORMAT = {"u64": "Q", "s64": "q", "u32": "I", "s32": "i", "u16": "H", "u8": "B"}

Field = tuple[str, str, int]


def _fields(text: str) -> tuple[Field, ...]:
    """Read ``type name[count]; …`` declarations."""
    found = []
    for declaration in text.replace("\n", " ").split(";"):
        if words := declaration.split():
            kind, rest = words[0], "".join(words[1:])
            for name in rest.split(","):
                base, _, count = name.partition("[")
                found.append((kind, base, int(count.rstrip("]")) if count else 1))
    return tuple(found)


class Layout:
    """A C struct, as C text and as a Python unpacker."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.fields = _fields(text)
        parts = []
        for kind, _field, count in self.fields:
            if kind == "char":
                parts.append(f"{count}s")
            else:
                parts.append(f"{count if count > 1 else ''}{_FORMAT[kind]}")
        self.struct = struct.Struct("<" + "".join(parts))
        self.size = self.struct.size
        self.offsets = self._offsets()

    def _offsets(self) -> dict[str, int]:
        position, found = 0, {}
        for kind, field, count in self.fields:
            size = 1 if kind == "char" else struct.calcsize("<" + _FORMAT[kind])
            if position % size:
                raise ValueError(f"{self.name}.{field} is not aligned")
            found[field] = position
            position += size * count
        if position % 8:
            raise ValueError(f"{self.name} is no multiple of 8 bytes")
        return found

    def names(self) -> tuple[str, ...]:
        """Name of each unpacked value, in order; an array's values are ``name0``, ``name1`` and so on."""
        return tuple(
            field if kind == "char" or count == 1 else f"{field}{index}"
            for kind, field, count in self.fields
            for index in range(1 if kind == "char" else count)
        )

    def c(self) -> str:
        """Return the declaration in C."""
        lines = [
            f"  {kind} {field}{f'[{count}]' if count > 1 else ''};" for kind, field, count in self.fields
        ]
        return "\n".join([f"struct {self.name} {{", *lines, "};"])


HEADER = Layout(
    "header",
    """
    u64 ts, start, pstart, pidns_start, cap_effective, cap_permitted, cap_inheritable;
    u64 maj_flt, min_flt, fdlimit, total_vm;
    s64 ret;
    u64 args[6];
    u32 type, flags, pid, tid, ppid, vpid, vtid, pvpid, ns_pid, pidns, sid, vsid, pgid, vpgid;
    u32 uid, gid, euid, egid, loginuid, sessionid, tty, cpu;
    char comm[16]
    """,
)
"""What every event has. ``ts``: nanoseconds since boot; ``start``, ``pstart``: of process and parent."""

PART = Layout("part", "u16 length; u8 kind, slot; u32 end")
"""Head of a part: length of its content in bytes, what it is, which one, how a path ended."""

IDENT = Layout(
    "ident",
    """
    u64 exec_ns, ino, ctime, mtime, cap_effective;
    u32 dev, flags, mode, uid, gid, nlink, fsuid, fsgid, tgid, text_length;
    u8 layer, readonly, pad[6];
    char comm[16]
    """,
)
"""What a process was when it last executed a program. ``mode``, ``uid`` and ``gid`` are the executable's."""

ANCESTOR = Layout("ancestor", "u64 start; u32 pid, vpid, sid, vsid, pgid, vpgid, ns_pid, pad; char comm[16]")

FD = Layout(
    "fdinfo",
    """
    u64 ino;
    s32 fd; u32 dev, rdev, mode, flags, fmode, magic;
    u16 family, type, protocol, state, lport, rport; u8 layer, pad1[3];
    u8 laddr[16], raddr[16]; u32 nlink
    """,
)
"""An open file. Ports in host order, addresses in network order; ``magic`` is the file system's."""

STRING, FILE, FILE_PATH, ADDRESS, DATA, AUX, CWD, SELF, ANCESTOR_PART, CGROUP, EXE, ARGS, ENV, UNIX = range(
    1, 15
)
"""Kinds of part."""

AT_ROOT, AT_NAMESPACE_ROOT, DETACHED, TOO_DEEP, UNREADABLE = range(1, 6)
"""How a path part ended: at the process's root, at its mount namespace's, at an entry without parent,
with too many components, or because it could not be read."""

TRUNCATED, COMPAT, NO_IDENT = 1, 2, 4
"""Flags of a header: parts are missing for lack of room; a 32-bit call; the last exec is not known."""

BIG = 1
"""Flag of an identity: its text is in the map for long ones."""
LIVE = 2
"""Flag of an identity: taken from the running process, not at its exec."""
SMALL = 512
"""Bytes of an identity and its text in the map for short ones."""
BIG_SIZE = 8 * 1024
"""The same in the map for long ones."""
TEXT = 64 * 1024
"""Bytes of parts in a record, at most."""

DROP_REASONS = ("ring_full", "no_scratch", "stage", "identity_map", "truncated")
"""Counters that the probes keep, in the order of their map."""

CALL = Layout(
    "sysdef", "u16 type; u8 str[3], fd[3], aux, aux_size, address, address_length, data, flags, pad[2]"
)
"""How to read a system call's arguments; 1 is the first, 0 none, ``RETURN`` the returned descriptor."""
RETURN = 7


def _words(text: str) -> list[str]:
    return text.split()


def c_header() -> str:
    """Return all declarations as C."""
    layouts = (HEADER, PART, IDENT, ANCESTOR, FD, CALL)
    constants = _words(
        "STRING FILE FILE_PATH ADDRESS DATA AUX CWD SELF ANCESTOR_PART CGROUP EXE ARGS ENV UNIX"
        " AT_ROOT AT_NAMESPACE_ROOT DETACHED TOO_DEEP UNREADABLE TRUNCATED COMPAT NO_IDENT BIG LIVE"
        " SMALL BIG_SIZE TEXT RETURN"
    )
    lines = [f"#define R_{name} {globals()[name]}" for name in constants]
    lines += [f"#define DROP_{name.upper()} {index}" for index, name in enumerate(DROP_REASONS)]
    return "\n".join([*lines, *(layout.c() for layout in layouts), ""])
