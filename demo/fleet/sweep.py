"""What a fleet leaves behind when it is killed, and how it is cleared.

A fleet's folder and network cards carry its id. Its owner holds a lock on the folder for
as long as it lives, so a folder whose lock is free has no owner.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
from pathlib import Path

from demo.fleet.host import command

FOLDERS = Path("/tmp")
"""Not TMPDIR: a sweep must find the folders of a fleet that was started with another one."""
PREFIX = "tercel-fleet-"
LINK = "tcf"
"""Begins the names of bridges (``tcf<id>``) and of the hosts' cables (``tcf<id>.<n>``)."""


def lock(folder: Path) -> int | None:
    """Take the ownership of ``folder``; ``None`` if a living fleet has it. Close the number to let go."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def identifier(folder: Path) -> str:
    """Return the id of the fleet whose folder this is."""
    return folder.name.removeprefix(PREFIX)


def sweep() -> list[str]:
    """Clear what dead fleets left; return a line for each thing that was there."""
    found = []
    for folder in FOLDERS.glob(f"{PREFIX}*"):
        handle = lock(folder)
        if handle is None:  # it lives
            continue
        found += _end_processes(folder)
        found += _delete_links(identifier(folder))
        shutil.rmtree(folder)  # last: without it the rest would not be found again
        found.append(f"folder {folder}")
        os.close(handle)
    return found


def leftovers(fleet: str) -> list[str]:
    """Return what there is of the fleet with this id: folder, processes, mounts, network cards."""
    folder = FOLDERS / f"{PREFIX}{fleet}"
    found = [str(folder)] if folder.exists() else []
    found += [f"process {pid}" for pid in _processes(folder)]
    mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    found += [f"mount {line}" for line in mounts if str(folder) in line]
    return found + [f"network card {name}" for name in _links() if _owner(name) == fleet]


def _end_processes(folder: Path) -> list[str]:
    """End the hosts of a dead fleet. Ending a host's unshare ends everything on that host."""
    pids = _processes(folder)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # one host's processes go together
            continue
    return [f"process {pid}" for pid in pids]


def _processes(folder: Path) -> list[int]:
    """Return the pids of a fleet's hosts, and of what its owner runs with a home below its folder."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _of(entry, folder)
    ]


def _of(entry: Path, folder: Path) -> bool:
    """Whether the process at ``entry`` belongs to the fleet of ``folder``."""
    below = f"{folder}/".encode()
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
        environment = (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # it ended meanwhile
        return False
    script = any(argument.endswith(b"/fleet/host.sh") for argument in arguments)
    return (script and any(argument.startswith(below) for argument in arguments)) or any(
        variable.startswith(b"TERCEL_HOME=" + below) for variable in environment
    )


def _links() -> list[str]:
    names = (line.split(":")[1].strip().split("@")[0] for line in command(["ip", "-o", "link"]).splitlines())
    return [name for name in names if name.startswith(LINK)]


def _owner(link: str) -> str:
    found = re.fullmatch(rf"{LINK}([0-9a-f]+)(?:\.\d+)?", link)
    return found[1] if found else ""


def _delete_links(fleet: str) -> list[str]:
    found = [name for name in _links() if _owner(name) == fleet]
    for name in found:
        command(["ip", "link", "delete", name], check=False)  # may be going already, with its host
    return [f"network card {name}" for name in found]
