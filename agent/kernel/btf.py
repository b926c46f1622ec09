"""Reader of the kernel's type information (BTF), enough to know where the fields of a struct are.

Format: Documentation/bpf/btf.rst in the kernel's sources.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.kernel.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator

VMLINUX = "/sys/kernel/btf/vmlinux"

_MAGIC = 0xEB9F
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM = 1, 2, 3, 4, 5, 6
_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _VAR, _DATASEC, _ENUM64 = 8, 9, 10, 11, 14, 15, 19
_FUNC_PROTO, _DECL_TAG, _TYPE_TAG = 13, 17, 18
_TRANSPARENT = frozenset({_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG})
_NAMED = frozenset({_STRUCT, _UNION, _ENUM, _ENUM64, _TYPEDEF})
_EXTRA = {_INT: (4, 0), _ARRAY: (12, 0), _VAR: (4, 0), _DECL_TAG: (4, 0)}
_EXTRA_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _ENUM64: 12, _FUNC_PROTO: 8, _DATASEC: 12}


@dataclass(frozen=True)
class Member:
    """A field of a struct: byte offset, and the size in bytes that a load of it takes."""

    name: str
    offset: int
    size: int
    type_id: int


class Btf:
    """The types of one BTF blob."""

    def __init__(self, blob: bytes) -> None:
        magic, _version, _flags, header, types, types_len, strings, _ = struct.unpack_from("<HBBIIIII", blob)
        if magic != _MAGIC:
            raise KernelError("the kernel's BTF is in no known format")
        self._blob = blob
        self._strings = header + strings
        self._offsets = [0]
        self._ids: dict[tuple[int, int], int] = {}
        self._index(header + types, header + types + types_len)

    @classmethod
    def of_kernel(cls, path: str = VMLINUX) -> Btf:
        """Read the running kernel's BTF. Raises KernelError if there is none."""
        try:
            return cls(Path(path).read_bytes())
        except OSError as error:
            raise KernelError(
                f"{path}: {error.strerror}: this kernel has no type information;"
                " use a kernel built with CONFIG_DEBUG_INFO_BTF=y (those of all current distributions are)"
            ) from None

    def _index(self, position: int, end: int) -> None:
        unpack = struct.Struct("<III").unpack_from
        blob, offsets, ids = self._blob, self._offsets, self._ids
        while position < end:
            name, info, _size = unpack(blob, position)
            kind, count = (info >> 24) & 0x1F, info & 0xFFFF
            if name and kind in _NAMED:
                ids.setdefault((name, kind), len(offsets))
            offsets.append(position)
            position += 12
            each = _EXTRA_EACH.get(kind)
            if each is not None:
                position += each * count
            elif kind in _EXTRA:
                position += _EXTRA[kind][0]

    def _header(self, type_id: int) -> tuple[int, int, int, bool, int]:
        name, info, size = struct.unpack_from("<III", self._blob, self._offsets[type_id])
        return name, (info >> 24) & 0x1F, info & 0xFFFF, bool(info >> 31), size

    def _name(self, offset: int) -> str:
        start = self._strings + offset
        return self._blob[start : self._blob.index(b"\0", start)].decode()

    def find(self, name: str, kinds: tuple[int, ...]) -> int | None:
        """Return the id of the named type of one of ``kinds``, or None."""
        needle = b"\0" + name.encode() + b"\0"
        position = self._strings
        while (position := self._blob.find(needle, position)) >= 0:
            for kind in kinds:
                found = self._ids.get((position + 1 - self._strings, kind))
                if found:
                    return found
            position += 1
        return None

    def struct(self, name: str) -> int:
        """Return the id of a struct. Raises KernelError if the kernel has none of that name."""
        found = self.find(name, (_STRUCT,))
        if found is None:
            raise KernelError(f"this kernel has no struct {name}: it is too old or too new for this agent")
        return found

    def typedef(self, name: str) -> int | None:
        """Return the id of a typedef, or None."""
        return self.find(name, (_TYPEDEF,))

    def size(self, type_id: int) -> int:
        """Return the size of a type, in bytes."""
        _name, kind, _count, _flag, size = self._header(self._strip(type_id))
        if kind == _PTR:
            return 8
        if kind == _ARRAY:
            element, _index, count = struct.unpack_from(
                "<III", self._blob, self._offsets[self._strip(type_id)] + 12
            )
            return int(count) * self.size(element)
        return size

    def _strip(self, type_id: int) -> int:
        while type_id:
            _name, kind, _count, _flag, size = self._header(type_id)
            if kind not in _TRANSPARENT:
                break
            type_id = size
        return type_id

    def _members(self, type_id: int) -> Iterator[tuple[str, int, int]]:
        _name, _kind, count, bitfields, _size = self._header(type_id)
        for index in range(count):
            at = self._offsets[type_id] + 12 + 12 * index
            name, member, bits = struct.unpack_from("<III", self._blob, at)
            yield self._name(name), member, (bits & 0xFFFFFF if bitfields else bits)

    def member(self, struct_id: int, name: str, base: int = 0) -> Member | None:
        """Return a field of a struct, found through anonymous structs too, or None."""
        for found, type_id, bits in self._members(struct_id):
            if found == name:
                return Member(name, (base + bits) // 8, self.size(type_id), type_id)
            if not found:
                inner = self.member(self._strip(type_id), name, base + bits)
                if inner:
                    return inner
        return None

    def enum(self, name: str, value: str) -> int | None:
        """Return an enumerator's number, or None."""
        type_id = self.find(name, (_ENUM, _ENUM64))
        if type_id is None:
            return None
        _name, kind, count, _flag, _size = self._header(type_id)
        width = 8 if kind == _ENUM else 12
        for index in range(count):
            at = self._offsets[type_id] + 12 + width * index
            label, number = struct.unpack_from("<II", self._blob, at)
            if self._name(label) == value:
                return int(number)
        return None
