"""A record as the probe wrote it, taken apart on demand. Pure: bytes in, values out."""

from __future__ import annotations

from collections import namedtuple
from functools import cached_property
from typing import Any, Callable, NamedTuple, Optional, Protocol

from agent.kernel import layout


def _reader(layout_: layout.Layout) -> Callable[[bytes], Any]:
    """Return what reads a struct at the start of some bytes, as a named tuple."""
    make = namedtuple(layout_.name.capitalize(), layout_.names())  # type: ignore[misc]  # noqa: PYI024
    unpack = layout_.struct.unpack_from
    return lambda data: make._make(unpack(data))


read_header = _reader(layout.HEADER)
read_ident = _reader(layout.IDENT)
read_ancestor = _reader(layout.ANCESTOR)
read_file = _reader(layout.FD)

_HEADER_SIZE = layout.HEADER.size
_PART = layout.PART.struct


class Part(NamedTuple):
    """A part's content and how it ended."""

    content: bytes
    end: int


def text(padded: bytes) -> bytes:
    """Return a fixed-width string without what follows its end."""
    return padded.partition(b"\0")[0]


def path(part: Part | None) -> bytes | None:
    """Put a path part's components together. ``None`` for no part or an unreadable one."""
    if part is None or part.end == layout.UNREADABLE:
        return None
    components = part.content.split(b"\0")[-2::-1]
    if part.end == layout.DETACHED:
        return b"/".join(components)
    if part.end == layout.TOO_DEEP:
        return b".../" + b"/".join(components)
    return b"/" + b"/".join(components)


def parts(data: bytes, position: int, end: int) -> dict[tuple[int, int], Part]:
    """Return the parts in ``data`` by kind and slot."""
    found: dict[tuple[int, int], Part] = {}
    unpack, size = _PART.unpack_from, _PART.size
    while position + size <= end:
        length, kind, slot, how = unpack(data, position)
        position += size
        if not kind:
            break
        found[kind, slot] = Part(data[position : position + length], how)
        position += (length + 7) & ~7
    return found


class Executed(Protocol):
    """What a process executed, wherever it is known from."""

    @property
    def comm(self) -> bytes:
        """Name of the program, 15 bytes at most."""

    @property
    def exe(self) -> bytes | None:
        """Path of the program."""

    @property
    def args(self) -> bytes | None:
        """All arguments, each ended by NUL."""


Known = Callable[[int, int], Optional[Executed]]
"""Finds a process that was there before capture: by its number for the agent and its start time."""


def nobody(_ns_pid: int, _start_ns: int) -> Executed | None:
    """Know no process."""
    return None


class Identity:
    """What a process was when it last executed a program."""

    def __init__(self, content: bytes) -> None:
        self.head: Any = read_ident(content)
        end = min(len(content), layout.IDENT.size + self.head.text_length)
        self._parts = parts(content, layout.IDENT.size, end)

    @cached_property
    def comm(self) -> bytes:
        """Name of the executed program, 15 bytes at most."""
        return text(self.head.comm)

    @cached_property
    def exe(self) -> bytes | None:
        """Path of the executed program."""
        return path(self._parts.get((layout.EXE, 0)))

    @cached_property
    def args(self) -> bytes | None:
        """All arguments, each ended by NUL, the first 4095 bytes of them."""
        part = self._parts.get((layout.ARGS, 0))
        return part.content if part else None


class Ancestor:
    """A process above the one that made the call."""

    def __init__(self, content: bytes, known: Known) -> None:
        self.head: Any = read_ancestor(content)
        rest = content[layout.ANCESTOR.size :]
        identity = Identity(rest) if len(rest) >= layout.IDENT.size else None
        # The identity is copied without a lock: one of another process cannot be this one's.
        if identity is not None and identity.head.tgid != self.head.pid:
            identity = None
        self.identity = _executed(identity, known, self.head.ns_pid, self.head.start)

    @cached_property
    def comm(self) -> bytes:
        """Name at the last exec, or the current one where that is not known."""
        return self.identity.comm if self.identity else text(self.head.comm)


def _executed(identity: Identity | None, known: Known, ns_pid: int, start_ns: int) -> Executed | None:
    """Return what a process executed: as the probe saw it, or as it was when capture began."""
    if identity is None or identity.head.flags & layout.LIVE:
        return known(ns_pid, start_ns) or identity
    return identity


class File:
    """An open file at the time of the call."""

    def __init__(self, head: bytes, where: Part | None, unix: Part | None) -> None:
        self.head: Any = read_file(head)
        self._where = where
        self._unix = unix

    @cached_property
    def path(self) -> bytes | None:
        """Path of the file, as its mount and directory entries give it."""
        return path(self._where)

    @property
    def attached(self) -> bool:
        """Whether the file has a place in the file system."""
        return self._where is not None and self._where.end in {
            layout.AT_ROOT,
            layout.AT_NAMESPACE_ROOT,
            layout.TOO_DEEP,
        }

    @cached_property
    def addresses(self) -> tuple[bytes, bytes]:
        """Own and peer name of a Unix socket."""
        if self._unix is None:
            return b"", b""
        content = self._unix.content
        own, peer = int.from_bytes(content[:4], "little"), int.from_bytes(content[4:8], "little")
        return _unix_name(content[8:120], own), _unix_name(content[120:232], peer)


def _unix_name(address: bytes, length: int) -> bytes:
    """Return a Unix socket's name; an abstract one with ``@`` in front."""
    name = address[2 : max(2, min(length, 110))]
    if name.startswith(b"\0"):
        return b"@" + name[1:].rstrip(b"\0")
    return text(name)


class Record:
    """One record."""

    def __init__(self, data: bytes, known: Known = nobody) -> None:
        self.data = data
        self.header: Any = read_header(data)
        self._known = known

    @cached_property
    def _parts(self) -> dict[tuple[int, int], Part]:
        return parts(self.data, _HEADER_SIZE, len(self.data))

    def part(self, kind: int, slot: int = 0) -> Part | None:
        """Return a part, or None if the record has none of that kind and slot."""
        return self._parts.get((kind, slot))

    def content(self, kind: int, slot: int = 0) -> bytes | None:
        """Return a part's content, or None."""
        part = self._parts.get((kind, slot))
        return part.content if part else None

    @property
    def arguments(self) -> tuple[int, ...]:
        """The call's arguments as unsigned 64-bit numbers."""
        header = self.header
        return (header.args0, header.args1, header.args2, header.args3, header.args4, header.args5)

    @cached_property
    def identity(self) -> Identity | None:
        """What the process last executed, if known."""
        content = self.content(layout.SELF)
        return Identity(content) if content else None

    @cached_property
    def executed(self) -> Executed | None:
        """What the process last executed, as the probe saw it or as it was when capture began."""
        return _executed(self.identity, self._known, self.header.ns_pid, self.header.start)

    @property
    def comm(self) -> bytes:
        """Name of the program last executed."""
        return self.executed.comm if self.executed else text(self.header.comm)

    @property
    def exe(self) -> bytes | None:
        """Path of the program last executed."""
        return self.executed.exe if self.executed else None

    @property
    def args(self) -> bytes | None:
        """Arguments of the last exec, each ended by NUL."""
        return self.executed.args if self.executed else None

    @cached_property
    def ancestors(self) -> tuple[Ancestor, ...]:
        """The processes above, the parent first."""
        found: list[Ancestor] = []
        while (content := self.content(layout.ANCESTOR_PART, len(found) + 1)) is not None:
            found.append(Ancestor(content, self._known))
        return tuple(found)

    @cached_property
    def cwd(self) -> bytes | None:
        """Working directory, without a slash at its end."""
        return path(self.part(layout.CWD))

    def file(self, slot: int) -> File | None:
        """Return the open file in a slot of the call's description, or None."""
        head = self.content(layout.FILE, slot)
        if head is None:
            return None
        return File(head, self.part(layout.FILE_PATH, slot), self.part(layout.UNIX, slot))

    @cached_property
    def cgroups(self) -> tuple[bytes, ...]:
        """Paths of the control groups that the task is in."""
        found = (self.part(layout.CGROUP, slot) for slot in range(3))
        return tuple(p for p in (path(part) for part in found) if p is not None)
