"""Keep what can be known of the process of the alert, before anything is done to it."""

from __future__ import annotations

import json
import os
import threading
from typing import IO, TYPE_CHECKING

from responders import target, tree
from responders.shape import Description, Failed, Json, Parameter, Plan

if TYPE_CHECKING:
    from pathlib import Path

    from responders.shape import Context
    from responders.system import Held

MANIFEST = "manifest.json"
TEXTS = ("cmdline", "status", "maps", "limits", "cgroup", "mountinfo", "io", "loginuid", "wchan")
NETWORK = ("tcp", "tcp6", "udp", "udp6", "raw", "unix")
_CHUNK = 1024 * 1024
_TEXT_MOST = 16 * 1024 * 1024

DESCRIPTION = Description(
    name="capture_process",
    summary="Keep what can be known of the process: its program, memory map, open files, sockets, ancestors.",
    details=(
        "Holds the process as kill_process does, stops it while it looks unless told not to, and copies its "
        "executable (also if the file was deleted), command line, status, memory map, limits, control "
        "group, mounts, open files, sockets and ancestors into a folder below /var/lib/tercel/evidence that "
        "only root reads, with the sha256 of each file. The environment is left out unless asked for: it "
        "holds secrets. Memory is not copied."
    ),
    parameters=(
        Parameter("stop", "bool", default=True, what="Whether it is stopped while it is looked at"),
        Parameter("environment", "bool", default=False, what="Whether its environment is kept"),
        Parameter(
            "max_mib", "int", 64, "The most of the executable that is kept, in MiB", least=0, most=4096
        ),
        Parameter("timeout", "float", 10.0, "Seconds that it may take", least=0.1, most=600.0),
        target.AFTER_EXEC,
    ),
    needs=target.NEEDS,
    privileges=("CAP_SYS_PTRACE", "CAP_KILL"),
    destructive=False,
    reversible=False,
    continues=True,
    example=("- action: Keep the evidence\n  actionner: capture_process\n  parameters:\n    max_mib: 16\n"),
)


def plan(context: Context) -> Plan:  # noqa: D103 - Responder.plan
    held = target.hold(context)
    folder = str(context.evidence)
    if held is None:
        return Plan(
            does=("nothing: the process has ended",),
            before={"folder": folder, "processes": []},
            already={"already_gone": True, "files": {}},
        )
    return Plan(
        does=(f"capture process {held.process.pid} ({held.process.exe!a}) into {folder}",),
        before={"folder": folder, "processes": [target.facts(held.process, context.system)]},
        held=[held],
    )


def do(plan: Plan, context: Context) -> Json:  # noqa: D103 - Responder.do
    held = plan.held[0]
    try:
        context.evidence.mkdir(mode=0o700, parents=True)
        files = _look(held, context)
        manifest = {"process": plan.before["processes"][0], "files": files}
        _write(context.evidence / MANIFEST, json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise Failed(f"cannot keep the evidence in {context.evidence}: {error.strerror}") from None
    return {"folder": str(context.evidence), "files": files}


def verify(before: Json, context: Context) -> Json:  # noqa: D103 - Responder.verify
    for one in before["processes"]:
        held = target.hold_recorded(one, context.system)
        if held is not None and one["state"] not in tree.STOPPED:
            tree.go_on(held)  # it may have been left stopped
    folder = before["folder"]
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as file:  # noqa: PTH118, PTH123 - a path of the journal
            files = json.load(file)["files"]
    except (OSError, ValueError):
        raise Failed(f"interrupted: what was captured until then is in {folder}") from None
    return {"folder": folder, "files": files, "verified_later": True}


def _look(held: Held, context: Context) -> dict[str, Json]:
    """Capture in a thread of its own: a process can make those who read from it wait for ever."""
    done: list[dict[str, Json]] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            done.append(_capture(held, context))
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    stopping = context.parameters["stop"]
    if stopping:
        tree.stop([held], context.system)
    try:
        thread = threading.Thread(target=work, name="capture", daemon=True)
        thread.start()
        thread.join(context.parameters["timeout"])
    finally:
        if stopping:
            tree.resume([held])
    if errors:
        raise errors[0]
    if not done:
        raise Failed(
            f"not done within {context.parameters['timeout']:g} s: it may hold up those who read from it"
        )
    return done[0]


def _capture(held: Held, context: Context) -> dict[str, Json]:
    """Write every part; return its size and sha256 by name."""
    pid, system = held.process.pid, context.system
    parts = {name: system.read(pid, name, _TEXT_MOST) for name in TEXTS}
    parts.update({f"net-{name}": system.read(pid, f"net/{name}", _TEXT_MOST) for name in NETWORK})
    if context.parameters["environment"]:
        parts["environ"] = system.read(pid, "environ", _TEXT_MOST)
    parts["files.json"] = json.dumps(system.links(pid, "fd"), indent=1).encode()
    parts["ancestors.json"] = json.dumps(_ancestors(held, context), indent=1).encode()
    program = system.open_program(pid)
    if held.gone():  # then what was read may be another's
        if program is not None:
            os.close(program)
        raise Failed("the process ended while it was captured", {"already_gone": True})
    kept = {name: _write(context.evidence / name, text) for name, text in parts.items() if text is not None}
    if program is not None:
        kept["exe"] = _copy(program, context)
    return kept


def _ancestors(held: Held, context: Context) -> list[Json]:
    found: list[Json] = []
    process = context.system.facts(held.process.ppid)
    while process is not None and len(found) < 64:
        found.append({**target.facts(process, context.system), "uid": process.uid})
        process = context.system.facts(process.ppid) if process.ppid else None
    return found


def _copy(program: int, context: Context) -> Json:
    """Copy the executable as far as allowed."""
    left = context.parameters["max_mib"] * _CHUNK
    import hashlib  # OpenSSL takes 4 MB, which the daemon spares that only keeps times to live

    digest, size = hashlib.sha256(), 0
    with os.fdopen(program, "rb") as source, _create(context.evidence / "exe") as copy:
        total = os.fstat(program).st_size
        while left > 0 and (chunk := source.read(min(_CHUNK, left))):
            copy.write(chunk)
            digest.update(chunk)
            size, left = size + len(chunk), left - len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return {"size": size, "sha256": digest.hexdigest(), "whole": size == total}


def _write(path: Path, content: bytes) -> Json:
    import hashlib  # as above

    with _create(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
