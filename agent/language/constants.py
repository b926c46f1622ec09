"""Parse the constants of a condition: text to a value of the field's type.

Texts of errors are upstream's (``value_parser.cpp``). The functions raise ConstantError.
"""

from __future__ import annotations

import re
from typing import Callable

from agent.fields.services import SERVICES
from agent.fields.types import BUFFERS, INTEGER_RANGES, STRINGS
from agent.language.patterns.regex import RegexError, compile_regex
from agent.language.typed import Constant

MAX_TEXT = 255
"""Longest text or buffer constant, in bytes."""
MAX_SHOWN = 1000
"""Most of a constant that a message repeats, in bytes."""

# What sscanf("%d%c") reads as one number: blanks before it, none after it.
_INTEGER = re.compile(rb"[ \t\n\x0b\x0c\r]*([+-]?[0-9]+)\Z")
_DIGITS = re.compile(rb"[0-9]+\Z")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})*\Z")
_OCTET = rb"(0|[1-9][0-9]{0,2})"
_IPV4 = re.compile(rb"\.".join([_OCTET] * 4) + rb"\Z")
_IPV6 = re.compile(rb"[0-9a-fA-F:]{2,39}\Z")


class ConstantError(ValueError):
    """The text is no constant of the type."""


def parse_constant(text: bytes, type_name: str, op: str, *, wrap: bool = False) -> Constant:
    """Return ``text`` as the right-hand side of ``op`` on a field of type ``type_name``.

    ``wrap`` makes integers out of range wrap around or saturate, as Falco's do, instead of being refused.
    """
    if b"\x00" in text and type_name not in BUFFERS:
        raise ConstantError("filter error: filter value cannot contain a NUL byte (\\x00)")
    if type_name in STRINGS or type_name in BUFFERS:
        return _text(text, op)
    if type_name in INTEGER_RANGES:
        return _port(text, wrap=wrap) if type_name == "PORT" else _integer(text, type_name, wrap=wrap)
    return _OTHERS[type_name](text, wrap)


def _show(text: bytes) -> str:
    return text[:MAX_SHOWN].decode("utf-8", "backslashreplace")


def _text(text: bytes, op: str) -> bytes:
    if op in ("bcontains", "bstartswith"):
        if not _HEX.match(text):
            raise ConstantError("filter error: bcontains and bstartswith operator support hex strings only")
        text = bytes.fromhex(text.decode("ascii"))
    if len(text) > MAX_TEXT:
        message = f"filter parameter too long (used={len(text) + 1}, available={MAX_TEXT + 1}):"
        raise ConstantError(message + _show(text))
    if op == "regex":
        try:
            compile_regex(text)
        except RegexError as error:
            raise ConstantError(f"invalid regex pattern: {error}") from None
    return text


def _integer(text: bytes, type_name: str, *, wrap: bool) -> int:
    match = _INTEGER.match(text)
    if match is None:
        raise ConstantError(f"{_show(text)} is not a valid number")
    return _in_range(_number(match.group(1)), type_name, wrap=wrap)


def _number(text: bytes) -> int:
    """Return the number, or one beyond every range for digits without end."""
    sign, digits = (-1, text[1:]) if text.startswith(b"-") else (1, text.lstrip(b"+"))
    digits = digits.lstrip(b"0") or b"0"
    return sign * (int(digits) if len(digits) <= 20 else 10**20)


def _in_range(value: int, type_name: str, *, wrap: bool) -> int:
    low, high = INTEGER_RANGES[type_name]
    if low <= value <= high:
        return value
    if not wrap:
        raise ConstantError(f"{value} is out of range for {type_name}: it goes from {low} to {high}")
    # sscanf reads 64 bits, saturating, and cuts the rest off.
    if low < 0:
        value = max(-(1 << 63), min(value, (1 << 63) - 1))
    else:
        value = max(-(1 << 64) + 1, min(value, (1 << 64) - 1))
    size = high - low + 1
    return (value - low) % size + low


def _port(text: bytes, *, wrap: bool) -> int:
    if not text:
        return 0
    if _DIGITS.match(text):
        # Even Falco refuses what no int holds (std::stoi).
        return _in_range(_number(text), "PORT", wrap=wrap and _number(text) < 1 << 31)
    port = SERVICES.get(text)
    if port is None:
        raise ConstantError(f"unrecognized protocol {_show(text)}")
    return port


def _double(text: bytes, wrap: bool) -> float:  # noqa: FBT001 # one signature for all types
    """Return a whole number: upstream reads no fractions here."""
    return float(_integer(text, "INT64", wrap=wrap))


def _bool(text: bytes, _wrap: bool) -> bool:  # noqa: FBT001
    if text not in (b"true", b"false"):
        raise ConstantError(f"filter error: unrecognized boolean value {_show(text)}")
    return text == b"true"


def _address(text: bytes, _wrap: bool) -> bytes:  # noqa: FBT001
    if b"." in text:
        return _ipv4(text, f"unrecognized IPv4 address {_show(text)}")
    return _ipv6(text, f"unrecognized IPv6 address {_show(text)}")


def _ipv4(text: bytes, message: str) -> bytes:
    match = _IPV4.match(text)
    octets = [int(octet) for octet in match.groups()] if match else [256]
    if max(octets) > 255:
        raise ConstantError(message)
    return bytes(octets)


def _ipv6(text: bytes, message: str) -> bytes:
    from ipaddress import AddressValueError, IPv6Address  # rules seldom need it, and it is slow to import

    if not _IPV6.match(text):
        raise ConstantError(message)
    try:
        return IPv6Address(text.decode("ascii")).packed
    except AddressValueError:
        raise ConstantError(message) from None


def _network(text: bytes, wrap: bool) -> tuple[bytes, int]:  # noqa: FBT001
    address, slash, mask = text.partition(b"/")
    if b"." in text:
        if not slash:
            raise ConstantError(f"unrecognized IP network {_show(text)}")
        packed = _ipv4(address, f"unrecognized IP address {_show(text)}")
        prefix = _prefix(mask, range(33), "invalid netmask", wrap=wrap)
    else:
        if not slash:
            raise ConstantError(f"unrecognized IPv6 network {_show(text)}")
        packed = _ipv6(address, f"unrecognized IPv6 address {_show(text)}")
        # Upstream takes no /0 for IPv6.
        prefix = _prefix(mask, range(1, 129), "invalid v6 netmask", wrap=wrap)
    return _masked(packed, prefix), prefix


def _prefix(mask: bytes, allowed: range, message: str, *, wrap: bool) -> int:
    match = _INTEGER.match(mask)
    if match is None:
        raise ConstantError(f"{_show(mask)} is not a valid number")
    prefix = _number(match.group(1))
    if wrap:  # read as 8 bits
        prefix = _in_range(prefix, "UINT8", wrap=True)
    if prefix not in allowed:
        raise ConstantError(f"{message} {_show(mask)}")
    return prefix


def _masked(packed: bytes, prefix: int) -> bytes:
    bits = 8 * len(packed)
    mask = ((1 << prefix) - 1) << (bits - prefix)
    return (int.from_bytes(packed, "big") & mask).to_bytes(len(packed), "big")


_OTHERS: dict[str, Callable[[bytes, bool], Constant]] = {
    "DOUBLE": _double,
    "BOOL": _bool,
    "IPADDR": _address,
    "IPNET": _network,
}
