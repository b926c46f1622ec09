"""``fd.*``: the file, directory or socket that an event is about."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from agent.kernel import layout, sockets
from agent.kernel.fields_args import absolute, directory, raw
from agent.kernel.live import FIELDS, field, keyed, user_device
from agent.kernel.paths import NOT_AVAILABLE, join, normalise, split
from agent.kernel.sockets import INET, INET6, UNIX, main_file

if TYPE_CHECKING:
    from agent.event import Value
    from agent.kernel.live import LiveEvent
    from agent.kernel.record import File

_OPENS = frozenset({"open", "openat", "openat2", "creat"})
_UDP_RECEIVES = frozenset({"recvfrom", "recvmsg", "recvmmsg"})
_NAMES_SOCKET = frozenset({"connect", "accept", "accept4", "bind"})


def _opened(event: LiveEvent) -> bool:
    return event.type in _OPENS


def _has_fd(event: LiveEvent) -> bool:
    return event.call.main is not None


@field("fd.num")
def _num(event: LiveEvent) -> Value:
    if not _has_fd(event):
        return None
    if event.call.main_arg is None:
        ret = event.record.header.ret
        return ret if ret >= 0 else -1
    number = event.record.arguments[event.call.main_arg] & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def _char(event: LiveEvent) -> str | None:
    return sockets.type_char(event, main_file(event)) if _has_fd(event) else None


@field("fd.typechar")
def _typechar(event: LiveEvent) -> Value:
    char = _char(event)
    return None if char is None else char.rstrip("_").encode()


@field("fd.type")
def _type(event: LiveEvent) -> Value:
    char = _char(event)
    return None if char is None else sockets.TYPES[char]


@field("fd.name")
def _name(event: LiveEvent) -> Value:
    if _opened(event):
        return _opened_name(event)
    file = main_file(event)
    return None if file is None else sockets.file_name(event, file)


def _opened_name(event: LiveEvent) -> bytes:
    found = absolute(event, "name")
    if found is not None:
        return found
    return normalise(join(directory(event, event.call.params["name"]), NOT_AVAILABLE))


@field("fd.nameraw")
def _nameraw(event: LiveEvent) -> Value:
    if _opened(event):
        return raw(event, "name")
    return event["fd.name"] if _char(event) in ("f", "d") else None


@field("fd.realpath")
def _realpath(event: LiveEvent) -> Value:
    file = main_file(event)
    return file.path if file is not None and not file.head.family and file.attached else None


@field("fd.directory")
def _directory(event: LiveEvent) -> Value:
    char, name = _char(event), event["fd.name"]
    if char == "d":
        return name
    return split(name)[0] if char == "f" and name is not None else None


@field("fd.filename")
def _filename(event: LiveEvent) -> Value:
    name = event["fd.name"]
    return split(name)[1] if _char(event) == "f" and name is not None else None


# ---- sockets -------------------------------------------------------------------------------


def _socket(event: LiveEvent) -> File | None:
    file = main_file(event)
    return file if file is not None and file.head.family in (INET, INET6) else None


def _end(event: LiveEvent, which: str) -> tuple[bytes, int] | None:
    found = sockets.ends(event, main_file(event))
    if found is None:
        return None
    return {
        "c": found.client_end,
        "s": found.server_end,
        "l": (found.local, found.local_port),
        "r": (found.remote, found.remote_port),
    }[which]


def _declare_end(which: str) -> None:
    def ip(event: LiveEvent) -> Value:
        end = _end(event, which)
        return end[0] if end and end[0] else None

    def port(event: LiveEvent) -> Value:
        end = _end(event, which)
        return end[1] if end else None

    def net(event: LiveEvent) -> Value:
        address = event[f"fd.{which}ip"]
        return None if address is None else (address, 8 * len(address))

    def service(event: LiveEvent) -> Value:
        number, protocol = event[f"fd.{which}port"], sockets.protocol(main_file(event))
        if number is None or protocol not in (b"tcp", b"udp"):
            return None
        return _service(number, protocol.decode())

    FIELDS[f"fd.{which}ip"], FIELDS[f"fd.{which}port"] = ip, port
    FIELDS[f"fd.{which}net"], FIELDS[f"fd.{which}proto"] = net, service


def _service(number: int, protocol: str) -> bytes:
    try:
        return socket.getservbyport(number, protocol).encode()
    except (OSError, OverflowError):  # no name: the number says it
        return b"%d" % number


for _which in "cslr":
    _declare_end(_which)


@field("fd.l4proto")
def _l4proto(event: LiveEvent) -> Value:
    file = main_file(event)
    return None if file is None else sockets.protocol(file) or NOT_AVAILABLE  # Falco's text for what is none


@field("fd.sockfamily")
def _sockfamily(event: LiveEvent) -> Value:
    file = main_file(event)
    if file is None:
        return None
    return {INET: b"ip", INET6: b"ip", UNIX: b"unix"}.get(file.head.family)


@field("fd.is_server")
def _is_server(event: LiveEvent) -> Value:
    found = sockets.ends(event, main_file(event))
    return None if found is None else found.server


@field("fd.connected")
def _connected(event: LiveEvent) -> Value:
    file = main_file(event)
    return sockets.connected(event, file) if file is not None and file.head.family else None


@field("fd.name_changed")
def _name_changed(event: LiveEvent) -> Value:
    if not _has_fd(event):
        return None
    if event.type in _NAMES_SOCKET:
        return bool(event["fd.name"])
    file = _socket(event)
    unconnected = file is not None and sockets.protocol(file) != b"tcp" and not sockets.connected(event, file)
    return event.type in _UDP_RECEIVES and unconnected and sockets.address(event) is not None


# ---- files ---------------------------------------------------------------------------------


@field("fd.ino")
def _ino(event: LiveEvent) -> Value:
    file = main_file(event)
    return file.head.ino if file is not None else None


@field("fd.dev")
def _dev(event: LiveEvent) -> Value:
    file = main_file(event)
    return user_device(file.head.dev) if file is not None else None


@field("fd.dev.major")
def _major(event: LiveEvent) -> Value:
    number = event["fd.dev"]
    return None if number is None else os.major(number)


@field("fd.dev.minor")
def _minor(event: LiveEvent) -> Value:
    number = event["fd.dev"]
    return None if number is None else os.minor(number)


@field("fd.is_upper_layer")
def _upper(event: LiveEvent) -> Value:
    file = main_file(event)
    return None if file is None else file.head.layer == 1


@field("fd.is_lower_layer")
def _lower(event: LiveEvent) -> Value:
    file = main_file(event)
    return None if file is None else file.head.layer == 2


@field("fd.uid")
def _uid(event: LiveEvent) -> Value:
    number = event["fd.num"]
    return None if number is None else b"%d%d" % (event.record.header.tid, number)


def _with_container(event: LiveEvent, key: str) -> Value:
    value = event[key]
    return None if value is None else (event["container.id"] or b"") + b":" + value


FIELDS["fd.containername"] = lambda event: _with_container(event, "fd.name")
FIELDS["fd.containerdirectory"] = lambda event: _with_container(event, "fd.directory")


@field("fd.types")
def _types(event: LiveEvent) -> Value:
    files = (event.record.file(slot) for slot in range(len(event.call.files)))
    found = [
        sockets.TYPES[char]
        for char in (sockets.type_char(event, file, main=False) for file in files if file)
        if char
    ]
    return tuple(dict.fromkeys(found)) or None


@keyed("fd.types")
def _types_of(event: LiveEvent, number: str) -> Value:
    for slot in range(len(event.call.files)):
        part = event.record.part(layout.FILE, slot)
        file = event.record.file(slot) if part else None
        if file is not None and str(file.head.fd) == number:
            char = sockets.type_char(event, file, main=False)
            return None if char is None else (sockets.TYPES[char],)
    return None
