"""The child that compiles: it brings bcc and LLVM, attaches the programs, hands them over, and ends.

Run as ``python -m agent.kernel.build SOCKET``. The request comes on standard input as JSON, the
shared maps' descriptors over the socket; the answer and its descriptors go back that way. What
clang says goes to standard error.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import platform
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.kernel import bpf, program, structs, tree
from agent.kernel.btf import Btf
from agent.kernel.errors import CaptureError, KernelError, VerifierError

SHARED = ("events", "scratches", "control", "drops", "claims", "idents", "bigs")
"""Maps that outlive a generation, in the order in which their descriptors come."""

_MESSAGE = 128 * 1024
"""Bytes of an answer, at most."""
_LD_IMM64, _PSEUDO_MAP_FD = 0x18, 1
_STAGES = ("on_who", "on_what", "on_paths", "on_filter")
"""The programs behind the hook at the exit, by their index in the probe's table."""
_BASE = ("sched_process_exec", "sched_process_fork")


@dataclass
class _Compiled:
    """The code of every function, with the maps in place."""

    functions: dict[str, bytes]
    calls_fd: int
    stages_fd: int


def _bcc() -> Any:
    try:
        import bcc
    except ImportError:
        raise KernelError(
            "bcc is not there for this Python: apt-get install python3-bpfcc (Debian, Ubuntu)"
            " or dnf install python3-bcc, and link it into the virtual environment"
        ) from None
    if not hasattr(bcc, "BPF"):
        raise KernelError("the bcc module found is not the BPF Compiler Collection: install python3-bpfcc")
    return bcc


def _compile(text: str, shared: dict[str, int]) -> _Compiled:
    bcc = _bcc()
    try:
        built = bcc.BPF(text=text.encode(), cflags=["-Wno-everything"])
    except Exception:  # noqa: BLE001 - bcc raises bare Exception for what clang refuses
        raise CaptureError("the probe does not compile") from None
    maps = {_map_fd(bcc, built, name): fd for name, fd in shared.items()}
    own = {_map_fd(bcc, built, name): os.dup(_map_fd(bcc, built, name)) for name in ("calls", "stages")}
    maps.update(own)
    calls_fd, stages_fd = own.values()
    names = ("on_sys_exit", *_STAGES, "on_task_exit", "on_task_exit_paths", *_BASE)
    code = {name: _with_maps(_code(bcc, built, name.encode()), maps) for name in names}
    return _Compiled(code, calls_fd, stages_fd)


def _map_fd(bcc: Any, built: Any, name: str) -> int:
    find = bcc.libbcc.lib.bpf_table_fd
    find.restype, find.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]
    fd = int(find(built.module, name.encode()))
    if fd < 0:
        raise CaptureError(f"the compiled probe has no map {name}")
    return fd


def _code(bcc: Any, built: Any, name: bytes) -> bytes:
    start, size = bcc.libbcc.lib.bpf_function_start, bcc.libbcc.lib.bpf_function_size
    start.restype, start.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]
    size.restype, size.argtypes = ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_char_p]
    address = start(built.module, name)
    if not address:
        raise CaptureError(f"the compiled probe has no function {name.decode()}")
    return ctypes.string_at(address, size(built.module, name))


def _with_maps(code: bytes, maps: dict[int, int]) -> bytes:
    """Replace the descriptors of the maps that bcc made by those of the maps in use; a filter's own stay."""
    patched = bytearray(code)
    for offset in range(0, len(patched), 8):
        if patched[offset] == _LD_IMM64 and patched[offset + 1] >> 4 == _PSEUDO_MAP_FD:
            fd = struct.unpack_from("<i", patched, offset + 4)[0]
            struct.pack_into("<i", patched, offset + 4, maps.get(fd, fd))
    return bytes(patched)


class _Loader:
    """Loads and attaches one generation, typed or not."""

    def __init__(self, compiled: _Compiled, btf: Btf, *, typed: bool) -> None:
        self._code = compiled
        self._typed = typed
        self._sys_exit = (btf.typedef("btf_trace_sys_exit") or 0) if typed else 0
        self.programs: list[int] = []
        self.entries: list[int] = []
        self.links: list[int] = []

    def _sys_exit_program(self, name: str) -> int:
        if self._typed:
            kind, attach = bpf.TRACING, bpf.TRACE_RAW_TP
        else:
            kind, attach = bpf.RAW_TRACEPOINT, 0
        code = self._code.functions[name]
        return self._keep(bpf.load_program(code, kind=kind, attach=attach, btf_id=self._sys_exit, name=name))

    def _plain_program(self, name: str, stages: int | None = None) -> int:
        code = self._code.functions[name]
        if stages is not None:
            code = _with_maps(code, {self._code.stages_fd: stages})
        return self._keep(bpf.load_program(code, kind=bpf.RAW_TRACEPOINT, name=name))

    def _keep(self, fd: int) -> int:
        self.programs.append(fd)
        return fd

    def base(self) -> None:
        """Attach what knows the processes."""
        for name in _BASE:
            self.links.append(bpf.open_raw_tracepoint(self._plain_program(name), name))

    def events(self, *, procexit: bool) -> None:
        """Attach what makes events. The stages are in place before anything can call them."""
        for index, name in enumerate(_STAGES):
            self._set_stage(self._code.stages_fd, index, self._sys_exit_program(name))
        entry = self._sys_exit_program("on_sys_exit")
        exit_stages = bpf.create_map(bpf.PROG_ARRAY, 4, 4, 4, name="exit_stages")
        if procexit:
            self._set_stage(exit_stages, 0, self._plain_program("on_who", exit_stages))
            self._set_stage(exit_stages, 1, self._plain_program("on_task_exit_paths", exit_stages))
        task_exit = self._plain_program("on_task_exit", exit_stages)
        self.programs += [exit_stages, self._code.stages_fd]
        self.entries = [entry, task_exit]
        self.links.append(bpf.open_raw_tracepoint(task_exit, "sched_process_exit"))
        self.links.append(bpf.open_raw_tracepoint(entry, None if self._typed else "sys_exit"))

    @staticmethod
    def _set_stage(stages: int, index: int, fd: int) -> None:
        bpf.update(stages, struct.pack("<I", index), struct.pack("<I", fd))


def _attach(settings: program.Settings, shared: dict[str, int], *, base: bool, typed: bool) -> _Loader:
    btf = Btf.of_kernel()
    compiled = _compile(program.source(structs.header(btf), settings, typed=typed), shared)
    for index, entry in program.table(settings.event_types).items():
        bpf.update(compiled.calls_fd, struct.pack("<I", index), entry)
    loader = _Loader(compiled, btf, typed=typed)
    if base:
        loader.base()
    loader.events(procexit="procexit" in settings.event_types)
    return loader


def _answer(request: dict[str, Any], shared: dict[str, int]) -> tuple[dict[str, Any], list[int]]:
    given = {**request["settings"], "event_types": frozenset(request["settings"]["event_types"])}
    settings = program.Settings(**given)
    loader, refusal = None, "not asked for"
    if settings.typed:
        try:
            loader = _attach(settings, shared, base=request["base"], typed=True)
        except (VerifierError, OSError) as error:
            refusal = str(error)
    mode = "untyped" if loader is None else "typed"
    if loader is None:
        loader = _attach(settings, shared, base=request["base"], typed=False)
    held = [fd for fd in loader.programs if fd not in loader.entries]
    counts = {"links": len(loader.links), "entries": len(loader.entries)}
    return {"ok": True, "mode": mode, "refusal": refusal, **counts}, [*loader.links, *loader.entries, *held]


def _serve(channel: socket.socket) -> None:
    request = json.load(sys.stdin)
    _message, fds = receive(channel)
    shared = dict(zip(SHARED, fds))
    tree.write(Path(request["headers"]), platform.release())
    os.environ["BCC_KERNEL_SOURCE"] = request["headers"]
    try:
        answer, handed = _answer(request, shared)
    except CaptureError as error:
        log = getattr(error, "log", "")
        answer, handed = (
            {"ok": False, "error": str(error), "log": log[-20000:], "kind": type(error).__name__},
            [],
        )
    send(channel, answer, handed)


def send(channel: socket.socket, message: dict[str, Any], fds: list[int]) -> None:
    """Send one message with descriptors."""
    data = json.dumps(message).encode()
    channel.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive one message with its descriptors. Raises EOFError if the other end is gone."""
    data, ancillary, _flags, _address = channel.recvmsg(_MESSAGE, socket.CMSG_SPACE(64 * 4))
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if not data:
        raise EOFError
    return json.loads(data), list(fds)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as own:
        _serve(own)
    sys.stdout.flush()
    os._exit(0)  # without bcc's cleaning up: what was handed over stays attached
