"""Types of field values, by upstream's names.

``Type("CHARBUF")`` is one text, ``Type("CHARBUF", is_list=True)`` a list of texts. How a
value of each type looks in Python is said in ``agent/event.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

STRINGS = frozenset({"CHARBUF", "FSPATH", "FSRELPATH"})
"""Text without NUL bytes."""
BUFFERS = frozenset({"BYTEBUF"})
"""Any bytes."""
ADDRESSES = frozenset({"IPADDR", "IPNET"})

INTEGER_RANGES: dict[str, tuple[int, int]] = {
    **{
        name: (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        for bits, names in (
            (8, ("INT8",)),
            (16, ("INT16",)),
            (32, ("INT32",)),
            (64, ("INT64", "ERRNO", "FD", "PID")),
        )
        for name in names
    },
    **{
        name: (0, (1 << bits) - 1)
        for bits, names in (
            (8, ("UINT8", "FLAGS8", "ENUMFLAGS8", "SIGTYPE")),
            (16, ("UINT16", "FLAGS16", "ENUMFLAGS16", "PORT", "SYSCALLID")),
            (32, ("UINT32", "FLAGS32", "ENUMFLAGS32", "UID", "GID", "MODE")),
            (64, ("UINT64", "RELTIME", "ABSTIME")),
        )
        for name in names
    },
}
"""Integer type to its smallest and largest value."""

NUMBERS = frozenset(INTEGER_RANGES) | {"DOUBLE"}
"""Types that ``<`` and ``>`` order by size."""

LIST_ELEMENTS = frozenset({"CHARBUF", "UINT64", "RELTIME", "ABSTIME", "BOOL", "IPADDR", "IPNET"})
"""Types whose lists can be compared (``in``, ``intersects``)."""

NOT_COMPARABLE = frozenset({"DYNAMIC", "SOCKADDR", "SOCKTUPLE", "FDLIST", "SIGSET"})
"""Types of event parameters that only ``exists`` takes."""

TYPE_NAMES = STRINGS | BUFFERS | ADDRESSES | NUMBERS | {"BOOL"} | NOT_COMPARABLE
"""Every type name."""


@dataclass(frozen=True)
class Type:
    """Type of a field or of an expression."""

    name: str
    """One of :data:`TYPE_NAMES`."""
    is_list: bool = False

    def __str__(self) -> str:
        return f"list of {self.name}" if self.is_list else self.name

    @classmethod
    def parse(cls, text: str) -> Type:
        """Read what ``str()`` prints: ``CHARBUF``, ``list of CHARBUF``. Raises ValueError."""
        is_list = text.startswith("list of ")
        name = text[len("list of ") :] if is_list else text
        if name not in TYPE_NAMES:
            raise ValueError(f"no such field type: {text}")
        return cls(name, is_list)


TEXT = Type("CHARBUF")
TEXTS = Type("CHARBUF", is_list=True)
