"""The file an event is about: its type, its name, and a socket's two ends."""

from __future__ import annotations

import ipaddress
import stat
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.kernel import layout
from agent.kernel.symbols import _FAMILY, enum_text

if TYPE_CHECKING:
    from agent.kernel.live import LiveEvent
    from agent.kernel.record import File

UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
STREAM, DGRAM, RAW = 1, 2, 3
_ICMP, _ICMPV6 = 1, 58
_ESTABLISHED, _LISTEN = 1, 10
_EPHEMERAL = 32768
_OPENS = frozenset({"open", "openat", "openat2", "creat", "open_by_handle_at"})
_O_DIRECTORY = 0o200000

TYPES = {
    "f": b"file",
    "d": b"directory",
    "4": b"ipv4",
    "6": b"ipv6",
    "u": b"unix",
    "p": b"pipe",
    "e": b"event",
    "l": b"eventpoll",
    "i": b"inotify",
    "t": b"timerfd",
    "s": b"signalfd",
    "m": b"memfd",
    "b": b"bpf",
    "P": b"pidfd",
    "r": b"io_uring",
    "u_": b"userfaultfd",
    "n": b"netlink",
    "o": b"unknown",
}
_ANONYMOUS = (
    (b"[eventfd]", "e"),
    (b"[eventpoll]", "l"),
    (b"inotify", "i"),
    (b"anon_inode:inotify", "i"),
    (b"[timerfd]", "t"),
    (b"[signalfd]", "s"),
    (b"bpf-", "b"),
    (b"[pidfd]", "P"),
    (b"[io_uring]", "r"),
    (b"[userfaultfd]", "u_"),
    (b"memfd:", "m"),
    (b"[fanotify]", "o"),
)
_PIDFS = 0x50494446


class Ends(NamedTuple):
    """A socket's two ends. Addresses in network order, empty where not known."""

    family: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    server: bool
    """Whether the local end is the server."""

    @property
    def client_end(self) -> tuple[bytes, int]:
        """Address and port of the client."""
        return (self.remote, self.remote_port) if self.server else (self.local, self.local_port)

    @property
    def server_end(self) -> tuple[bytes, int]:
        """Address and port of the server."""
        return (self.local, self.local_port) if self.server else (self.remote, self.remote_port)


def main_file(event: LiveEvent) -> File | None:
    """Return the file that the event is about, or None."""
    return event.record.file(event.call.main) if event.call.main is not None else None


def type_char(event: LiveEvent, file: File | None, *, main: bool = True) -> str | None:
    """Return the file's type as one letter (``TYPES``)."""
    if main and event.type in _OPENS:
        flags = event.call.params.get("flags")
        asked = flags is not None and _opens_directory(event)
        return "d" if asked else "f"
    return None if file is None else _of_file(file)


def _opens_directory(event: LiveEvent) -> bool:
    from agent.kernel.fields_args import raw

    return bool((raw(event, "flags") or 0) & _O_DIRECTORY)


def _of_file(file: File) -> str:
    kind = stat.S_IFMT(file.head.mode)
    if kind == stat.S_IFSOCK:
        return {INET: "4", INET6: "6", UNIX: "u", NETLINK: "n"}.get(file.head.family, "o")
    if kind == stat.S_IFIFO:
        return "p"
    if kind == stat.S_IFDIR:
        return "d"
    if file.attached:
        return "f"
    if file.head.magic == _PIDFS:
        return "P"
    name = file.path or b""
    return next(
        (char for start, char in _ANONYMOUS if name.startswith(start)), "f" if kind == stat.S_IFREG else "o"
    )


def ends(event: LiveEvent, file: File | None) -> Ends | None:
    """Return both ends of the socket that the event is about, or None if it is no internet socket."""
    if file is None or file.head.family not in (INET, INET6):
        return None
    head, width = file.head, 4 if file.head.family == INET else 16
    local, remote = _bytes(head, "laddr", width), _bytes(head, "raddr", width)
    local_port, remote_port = head.lport, head.rport
    given = address(event)
    if given is not None and given[0] in (INET, INET6) and len(given[1]) == width:
        if event.type == "bind":
            local, local_port = given[1], given[2] or local_port
        elif not any(remote) or event.type == "connect":
            remote, remote_port = given[1], given[2]
    return Ends(
        head.family, local, local_port, remote, remote_port, _is_server(event, head, local_port, remote_port)
    )


def _bytes(head: Any, name: str, count: int) -> bytes:
    return bytes(getattr(head, f"{name}{index}") for index in range(count))


def _is_server(event: LiveEvent, head: Any, local_port: int, remote_port: int) -> bool:
    if event.type in ("accept", "accept4", "listen", "bind"):
        return True
    if event.type == "connect":
        return False
    if head.state == _LISTEN:
        return True
    return local_port < _EPHEMERAL <= remote_port or (
        head.type == DGRAM and 0 < local_port < remote_port < _EPHEMERAL
    )


def address(event: LiveEvent) -> tuple[int, bytes, int] | None:
    """Return the socket address that was passed: family, address (a Unix socket's name) and port."""
    data = event.record.content(layout.ADDRESS)
    if data is None or len(data) < 2:
        return None
    family = struct.unpack_from("<H", data)[0]
    if family == INET and len(data) >= 8:
        return family, data[4:8], struct.unpack_from(">H", data, 2)[0]
    if family == INET6 and len(data) >= 24:
        return family, data[8:24], struct.unpack_from(">H", data, 2)[0]
    if family == UNIX:
        name = data[2:]
        return (
            family,
            b"@" + name[1:].rstrip(b"\0") if name.startswith(b"\0") else name.partition(b"\0")[0],
            0,
        )
    return family, b"", 0


def ip_text(value: bytes) -> bytes:
    """Return an address as it is printed."""
    return str(ipaddress.ip_address(value)).encode() if value else b""


def _pair(end: tuple[bytes, int]) -> bytes:
    return ip_text(end[0]) + b":%d" % end[1]


def tuple_text(found: Ends) -> bytes:
    """Return ``client:port->server:port``."""
    return _pair(found.client_end) + b"->" + _pair(found.server_end)


def socket_name(event: LiveEvent, file: File, *, main: bool = True) -> bytes:
    """Return a socket's name: its two ends, or the path of a Unix socket."""
    family = file.head.family
    if family == UNIX:
        own, peer = file.addresses
        given = address(event) if main else None
        path = peer or (given[1] if given and given[0] == UNIX else b"") or own
        return b"%x->%x %s" % (file.head.ino, 0, path)
    found = ends(event, file) if main else _without_event(file)
    if found is None or not (found.local_port or found.remote_port or any(found.remote)):
        return b""
    if not any(found.remote) and not found.remote_port:
        return _pair((found.local, found.local_port))
    return tuple_text(found)


def _without_event(file: File) -> Ends | None:
    head = file.head
    if head.family not in (INET, INET6):
        return None
    width = 4 if head.family == INET else 16
    server = head.lport < _EPHEMERAL <= head.rport
    return Ends(
        head.family,
        _bytes(head, "laddr", width),
        head.lport,
        _bytes(head, "raddr", width),
        head.rport,
        server,
    )


def file_name(event: LiveEvent, file: File, *, main: bool = True) -> bytes:
    """Return the name of an open file, as the kernel has it."""
    char = _of_file(file)
    if stat.S_IFMT(file.head.mode) == stat.S_IFSOCK:
        return socket_name(event, file, main=main)
    if char in ("f", "d", "m"):
        return file.path or b""
    if char == "p":
        return file.path if file.attached and file.path else b"pipe:[%d]" % file.head.ino
    return b""


def protocol(file: File | None) -> bytes | None:
    """Return ``tcp``, ``udp``, ``icmp`` or ``raw``; None if the file is no internet socket."""
    if file is None or file.head.family not in (INET, INET6):
        return None
    if file.head.protocol in (_ICMP, _ICMPV6):
        return b"icmp"
    return {STREAM: b"tcp", DGRAM: b"udp", RAW: b"raw"}.get(file.head.type)


def connected(event: LiveEvent, file: File) -> bool:
    """Return whether the socket has a peer."""
    if event.type == "connect":
        return bool(event.record.header.ret == 0)
    return bool(file.head.state == _ESTABLISHED)


def described(event: LiveEvent, slot: int, *, main: bool) -> bytes:
    """Return what a descriptor stands for, as ``evt.args`` shows it: ``<f>/etc/hosts``."""
    file = event.record.file(slot)
    char = type_char(event, file, main=main)
    if char is None or file is None:
        return b""
    if char in "46":
        char += {b"tcp": "t", b"udp": "u", b"icmp": "i", b"raw": "r"}.get(protocol(file) or b"", "")
    name = event["fd.name"] if main else file_name(event, file, main=False)
    return b"<" + char.rstrip("_").encode() + b">" + (name or b"")


def parameter(event: LiveEvent, kind: str) -> bytes | None:
    """Return the text of a ``tuple`` or ``addr`` parameter, or None."""
    file = main_file(event)
    if kind == "tuple":
        if file is None or file.head.family not in (INET, INET6, UNIX):
            return None
        return socket_name(event, file) or None
    given = address(event)
    if given is None:
        return None
    family, value, port = given
    if family == UNIX:
        return value
    if family in (INET, INET6):
        return ip_text(value) + b":%d" % port
    return enum_text("socket", "domain", family) or (b"%d" % family if family in _FAMILY.values() else None)
