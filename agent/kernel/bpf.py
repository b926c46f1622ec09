"""The bpf(2) system call: maps, programs, links. Linux user interface, ``include/uapi/linux/bpf.h``."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from agent.kernel.errors import CaptureError, KernelError, VerifierError

_NUMBERS = {"x86_64": 321}
_MAP_CREATE, _LOOKUP, _UPDATE, _PROG_LOAD = 0, 1, 2, 5
_INFO_BY_FD, _RAW_TRACEPOINT_OPEN = 15, 17

HASH, ARRAY, PROG_ARRAY, PERCPU_ARRAY, RINGBUF = 1, 2, 3, 6, 27
"""Map types."""
RAW_TRACEPOINT, TRACING = 17, 26
"""Program types."""
TRACE_RAW_TP = 23
"""Attach type of a typed raw tracepoint."""
NO_PREALLOC = 1
"""Map flag: allocate elements as they come."""

_ATTR = 144
_LOG = 4 * 1024 * 1024
_LICENSE = b"GPL\0"
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attr: bytes) -> int:
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise KernelError(f"capture knows x86_64 only so far, this is {platform.machine()}")
    buffer = ctypes.create_string_buffer(attr, _ATTR)
    result = _libc.syscall(number, command, buffer, _ATTR)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _address(buffer: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(buffer)


def create_map(  # noqa: PLR0913 - the call has them
    kind: int, key: int, value: int, entries: int, *, flags: int = 0, name: str = ""
) -> int:
    """Create a map and return its descriptor. Sizes in bytes. Raises CaptureError."""
    attr = struct.pack("<IIIIIII16s", kind, key, value, entries, flags, 0, 0, name.encode()[:15])
    try:
        fd = _bpf(_MAP_CREATE, attr)
    except PermissionError:
        raise KernelError(
            "eBPF is not allowed here: run as root (CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN)"
        ) from None
    except OSError as error:
        raise CaptureError(
            f"the kernel made no map {name!r} of {entries} x {value} bytes: {error.strerror}"
        ) from None
    os.set_inheritable(fd, False)  # noqa: FBT003 - the function takes it so
    return fd


def update(fd: int, key: bytes, value: bytes) -> None:
    """Store an element. Raises OSError."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(_UPDATE, struct.pack("<IxxxxQQQ", fd, _address(k), _address(v), 0))


def lookup(fd: int, key: bytes, size: int) -> bytes | None:
    """Return an element's value of ``size`` bytes, or None if there is none. Raises OSError."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    try:
        _bpf(_LOOKUP, struct.pack("<IxxxxQQQ", fd, _address(k), _address(v), 0))
    except FileNotFoundError:
        return None
    return v.raw


def load_program(code: bytes, *, kind: int, attach: int = 0, btf_id: int = 0, name: str = "") -> int:
    """Load a program and return its descriptor. Raises VerifierError with the verifier's log."""
    insns = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(_LICENSE)
    try:
        return _bpf(_PROG_LOAD, _load_attr(insns, licence, kind, attach, btf_id, name, None))
    except OSError as first:
        log = ctypes.create_string_buffer(_LOG)
        try:
            return _bpf(_PROG_LOAD, _load_attr(insns, licence, kind, attach, btf_id, name, log))
        except OSError as error:
            text = log.value.decode("utf-8", "replace")
            why = "run as root" if first.errno == errno.EPERM and not text else "see the verifier's log"
            raise VerifierError(
                f"the kernel refused program {name!r}: {error.strerror} ({why})", text
            ) from None


def _load_attr(  # noqa: PLR0913, PLR0917 - the call has them
    insns: ctypes.Array[ctypes.c_char],
    licence: ctypes.Array[ctypes.c_char],
    kind: int,
    attach: int,
    btf_id: int,
    name: str,
    log: ctypes.Array[ctypes.c_char] | None,
) -> bytes:
    attr = bytearray(_ATTR)
    struct.pack_into("<IIQQ", attr, 0, kind, len(insns) // 8, _address(insns), _address(licence))
    if log is not None:
        struct.pack_into("<IIQ", attr, 24, 1, len(log), _address(log))
    struct.pack_into("<16s", attr, 48, name.encode()[:15])
    struct.pack_into("<I", attr, 68, attach)
    struct.pack_into("<I", attr, 108, btf_id)
    return bytes(attr)


def open_raw_tracepoint(program: int, name: str | None) -> int:
    """Attach a program: to the tracepoint ``name``, or where its type says if None. Returns the link."""
    if name is None:
        return _bpf(_RAW_TRACEPOINT_OPEN, struct.pack("<QI", 0, program))
    text = ctypes.create_string_buffer(name.encode())
    return _bpf(_RAW_TRACEPOINT_OPEN, struct.pack("<QI", _address(text), program))


def program_misses(program: int) -> int:
    """How often the kernel skipped a program because it was already running on that CPU."""
    info = ctypes.create_string_buffer(232)
    _bpf(_INFO_BY_FD, struct.pack("<IIQ", program, len(info), _address(info)))
    return int(struct.unpack_from("<Q", info.raw, 208)[0])
