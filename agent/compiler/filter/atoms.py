"""What the kernel can evaluate of a check, by field and operator.

An atom answers yes, no or *unknown* for a system call. Where it answers yes or no it agrees with the check,
a missing value included; where it cannot know (a relative path, one that is cut off) it says unknown, and the
event is kept. A check of which the kernel can evaluate nothing has no atom, but a reason.

Paths are answered for only where the path argument is surely ``fd.name`` already: absolute, without ``//``,
``./`` or a slash or dot component at its end, read to its end, and the call succeeded.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from agent.compiler.dag import is_constant
from agent.compiler.values import ORDER
from agent.fields.catalogue import CATALOGUE
from agent.language import typed

COMM_BYTES = 15
"""Longest process name that the kernel keeps."""
PATH_BYTES = 254
"""Longest path that the filter looks at: what fills its buffer of 256 bytes may be cut off."""


@dataclass(frozen=True)
class Call:
    """The facts of a system call that a filter sees, when it has returned."""

    type: str
    ret: int
    comm: bytes | None = None
    """Name of the program at its last exec; ``None`` if not known."""
    path: bytes | None = None
    """The path argument as passed; ``None`` if it could not be read to its end."""
    flags: int | None = None
    """The flags of open(2); ``None`` if they are not an argument."""
    family: int | None = None
    """The address family of socket(2)."""


Answer = Optional[bool]
"""Yes, no, or ``None`` for unknown."""


@dataclass(frozen=True)
class Names:
    """``proc.name`` is one of these."""

    names: frozenset[bytes]

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        return None if call.comm is None else call.comm in self.names


@dataclass(frozen=True)
class Returned:
    """The return value compares so with a number."""

    op: str
    """``=`` or one of ``< <= > >=``."""
    number: int

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        return call.ret == self.number if self.op == "=" else ORDER[self.op](call.ret, self.number)


@dataclass(frozen=True)
class OpenedFor:
    """The access mode of open(2) is one of these (0 read, 1 write, 2 both; 3 is unknown)."""

    modes: frozenset[int]

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        if call.flags is None or call.flags & 3 == 3:
            return None
        return call.flags & 3 in self.modes


@dataclass(frozen=True)
class OpenedWith:
    """The flags of open(2) have one of these bits."""

    bits: int

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        return None if call.flags is None else bool(call.flags & self.bits)


@dataclass(frozen=True)
class Family:
    """The address family of socket(2) is one of these."""

    numbers: frozenset[int]

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        return None if call.family is None else call.family in self.numbers


@dataclass(frozen=True)
class Path:
    """``fd.name`` is one of ``exact``, begins with one of ``prefixes`` or ends with one of ``suffixes``.

    If ``weak``, it may also be neither: then the answer is never yes, but unknown.
    """

    exact: frozenset[bytes] = frozenset()
    prefixes: frozenset[bytes] = frozenset()
    suffixes: frozenset[bytes] = frozenset()
    weak: bool = False

    def answer(self, call: Call) -> Answer:
        """Answer for a call."""
        if call.path is None or call.ret < 0 or not is_plain(call.path):
            return None
        found = call.path in self.exact or call.path.startswith(tuple(self.prefixes))
        found = found or call.path.endswith(tuple(self.suffixes))
        return None if found and self.weak else found


Atom = Union[Names, Returned, OpenedFor, OpenedWith, Family, Path]


@dataclass(frozen=True)
class NoAtom:
    """A check that the kernel cannot evaluate."""

    reason: str


def is_plain(path: bytes) -> bool:
    """Say whether a path is its own absolute, normalised form, and short enough to be looked at."""
    if not path.startswith(b"/") or len(path) > PATH_BYTES or b"//" in path or b"./" in path:
        return False
    return path == b"/" or not path.endswith((b"/", b"/.", b"/.."))


OPEN_FLAGS = {"open": 1, "openat": 2}
"""Event type to the argument that holds the flags of open(2); ``openat2`` has them in memory."""
FLAG_BITS = {b"O_CREAT": 0o100, b"O_EXCL": 0o200, b"O_TRUNC": 0o1000, b"O_APPEND": 0o2000}
"""Flags of open(2) whose names occur in no other flag's name, as on x86."""
FAMILIES = {b"AF_PACKET": 17, b"AF_NETLINK": 16, b"AF_ALG": 38, b"AF_VSOCK": 40}
"""Address families whose names occur in no other family's name."""
_NUMBERS = Counter(vars(errno)[name] for name in dir(errno) if name.startswith("E"))
ERRORS = {name.encode(): n for n, name in errno.errorcode.items() if _NUMBERS[n] == 1}
"""Error numbers by name, those with one name only."""
PATH_ARGUMENT = {"open": 0, "openat": 1, "openat2": 1, "creat": 0}
"""Event type to the argument that is the path of the file that ``fd.name`` names."""

_Find = Callable[[typed.Check, str], Union[Atom, NoAtom]]


def atom_of(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """Return the atom of a check for one event type, or why there is none."""
    if not isinstance(check.left, typed.Field):
        return NoAtom("a transformer")
    find = _FINDERS.get(check.left.key)
    if find is None:
        return NoAtom(f"the kernel does not evaluate {check.left.key}")
    if check.expression is not None:
        return NoAtom("two fields are compared")
    return find(check, event_type)


def _constants(check: typed.Check) -> tuple[Any, ...] | None:
    """Return the constants of a check that asks for one of them."""
    if not is_constant(check):
        return None
    if check.values is None:
        return (check.value,)
    return check.values if check.op in ("in", "intersects") or check.modifier == "anyof" else None


def _unsupported(check: typed.Check) -> NoAtom:
    modifier = f" {check.modifier}" if check.modifier else ""
    return NoAtom(f"the kernel does not evaluate {check.left.key} {check.op}{modifier}")  # type: ignore[union-attr]


def _names(check: typed.Check, _event_type: str) -> Atom | NoAtom:
    constants = _constants(check)
    if constants is None or check.op not in ("=", "in", "intersects"):
        return _unsupported(check)
    return Names(frozenset(name for name in constants if len(name) <= COMM_BYTES))


def _returned(check: typed.Check, event_type: str) -> Atom | NoAtom:
    if event_type not in CATALOGUE.syscalls:
        return NoAtom(f"{event_type} returns nothing")
    if check.modifier is None and check.value is not None and check.op in ("=", *ORDER):
        return Returned(check.op, check.value)
    return _unsupported(check)


def _result(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """``evt.res`` is the name of the error that was returned."""
    number = ERRORS.get(check.value) if check.op == "=" and check.modifier is None else None
    if event_type not in CATALOGUE.syscalls or number is None:
        return _unsupported(check)
    return Returned("=", -number)


def _descriptor(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """``fd.num`` of an open is its return value; only whether there is one is asked here."""
    if event_type in PATH_ARGUMENT and (check.op, check.value, check.modifier) == (">=", 0, None):
        return Returned(">=", 0)
    return _unsupported(check)


def _opened(*modes: int) -> _Find:
    def find(check: typed.Check, event_type: str) -> Atom | NoAtom:
        if event_type not in OPEN_FLAGS or check.op != "=" or check.modifier is not None:
            return _unsupported(check)
        wanted = frozenset(modes)
        return OpenedFor(wanted if check.value else frozenset(range(3)) - wanted)

    return find


def _path(check: typed.Check, event_type: str) -> Atom | NoAtom:
    if event_type not in PATH_ARGUMENT:
        return NoAtom(f"{event_type} has no path of its own")
    constants = _constants(check) if check.op != "pmatch" else check.values
    if constants is None:
        return _unsupported(check)
    if any(len(constant) > PATH_BYTES for constant in constants):
        return NoAtom(f"a path is longer than {PATH_BYTES} bytes")
    find = _PATH_OPERATORS.get(check.op)
    return _unsupported(check) if find is None else find(constants)


def _exactly(constants: tuple[bytes, ...]) -> Atom:
    return Path(exact=frozenset(constants))


def _ending(constants: tuple[bytes, ...]) -> Atom:
    return Path(suffixes=frozenset(constants))


def _beginning(constants: tuple[bytes, ...]) -> Atom:
    return Path(prefixes=frozenset(constants))


def _below(constants: tuple[bytes, ...]) -> Atom | NoAtom:
    """``pmatch``: the path itself or what is below it; exact unless a component is a glob."""
    if any(byte in constant for constant in constants for byte in (b"*", b"?", b"[")):
        return NoAtom("pmatch with a glob")
    paths = [b"/" + b"/".join(filter(None, constant.split(b"/"))) for constant in constants]
    return Path(frozenset(paths), frozenset(path.rstrip(b"/") + b"/" for path in paths))


def _directory(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """``fd.directory`` is the path of an opened directory, or of the directory that holds an opened file."""
    if event_type not in PATH_ARGUMENT:
        return NoAtom(f"{event_type} has no path of its own")
    constants = _constants(check)
    if constants is None or check.op not in ("=", "in", "intersects", "startswith"):
        return _unsupported(check)
    return Path(prefixes=frozenset(constants), weak=True)


def _filename(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """``fd.filename`` is what follows the last slash of an opened file's path; a directory has none."""
    constants = _constants(check)
    if event_type not in PATH_ARGUMENT or constants is None or check.op not in ("=", "in", "intersects"):
        return _unsupported(check)
    return Path(suffixes=frozenset(b"/" + constant for constant in constants), weak=True)


def _flags(check: typed.Check, event_type: str) -> Atom | NoAtom:
    constants = _constants(check)
    if event_type not in OPEN_FLAGS or check.op != "contains" or not constants:
        return _unsupported(check)
    if any(constant not in FLAG_BITS for constant in constants):
        return _unsupported(check)
    return OpenedWith(sum(FLAG_BITS[constant] for constant in set(constants)))


def _family(check: typed.Check, event_type: str) -> Atom | NoAtom:
    constants = _constants(check)
    if event_type != "socket" or check.op != "contains" or not constants:
        return _unsupported(check)
    if any(constant not in FAMILIES for constant in constants):
        return _unsupported(check)
    return Family(frozenset(FAMILIES[constant] for constant in constants))


def _glob_beginning(constants: tuple[bytes, ...]) -> Atom | NoAtom:
    """Keep the literal text before the first special character: no path without it can match."""
    prefixes = set()
    for constant in constants:
        size = next((at for at, byte in enumerate(constant) if byte in b"*?[\\"), len(constant))
        prefixes.add(constant[:size])
    if b"" in prefixes:
        return NoAtom("a glob without a literal beginning")
    return Path(prefixes=frozenset(prefixes), weak=True)


_PATH_OPERATORS: dict[str, Callable[[tuple[bytes, ...]], Atom | NoAtom]] = {
    "=": _exactly,
    "in": _exactly,
    "intersects": _exactly,
    "startswith": _beginning,
    "endswith": _ending,
    "pmatch": _below,
    "glob": _glob_beginning,
}


def _raw(check: typed.Check, event_type: str) -> Atom | NoAtom:
    """``fd.nameraw`` of a plain path is that path: it holds neither ``./`` nor ``//``."""
    constants = _constants(check)
    if event_type not in PATH_ARGUMENT or constants is None or check.op != "contains":
        return _unsupported(check)
    if all(any(part in constant for part in (b"./", b"//")) for constant in constants):
        return Path()
    return _unsupported(check)


_FINDERS: dict[str, _Find] = {
    "proc.name": _names,
    "evt.rawres": _returned,
    "evt.res": _result,
    "fd.num": _descriptor,
    "evt.is_open_read": _opened(0, 2),
    "evt.is_open_write": _opened(1, 2),
    "fd.name": _path,
    "fd.directory": _directory,
    "fd.filename": _filename,
    "fd.nameraw": _raw,
    "evt.arg.flags": _flags,
    "evt.arg.domain": _family,
}
