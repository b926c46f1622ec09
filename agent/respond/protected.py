"""The processes that no action may touch, whatever a playbook says.

Pid 1, the kernel's threads, sshd and its ancestors, the agent and the link with theirs, the
container runtimes; and what the operator adds (:mod:`agent.respond.policy`). A process is
recognised by its executable, never by its name, which it can set to anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agent.respond.policy import Policy
    from responders.system import Process, System

SSHD = frozenset(
    {
        "/usr/sbin/sshd",
        "/usr/lib/openssh/sshd-session",
        "/usr/lib/openssh/sshd-auth",
        "/usr/libexec/openssh/sshd-session",
        "/usr/libexec/openssh/sshd-auth",
        "/usr/lib/ssh/sshd-session",
        "/usr/lib/ssh/sshd-auth",
        "/usr/sbin/dropbear",
    }
)
RUNTIMES = frozenset(
    f"{folder}/{name}"
    for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec/podman", "/usr/lib/podman")
    for name in (
        "dockerd",
        "docker-proxy",
        "containerd",
        "containerd-shim",
        "containerd-shim-runc-v2",
        "crio",
        "cri-dockerd",
        "conmon",
        "podman",
        "runc",
        "crun",
        "kubelet",
    )
)

_DELETED = " (deleted)"


class Guard:
    """Says why a process is protected. It looks at the host each time that it is asked."""

    def __init__(self, system: System, policy: Policy, own: frozenset[int]) -> None:
        self._system, self._policy = system, policy
        self._own = own
        """Pids of the agent's processes."""

    def __call__(self, process: Process) -> str | None:
        """Return the reason, or ``None`` if it may be touched."""
        if process.pid == 1:
            return "it is init, pid 1"
        if process.is_kernel_thread:
            return "it is a thread of the kernel"
        return self._by_owner(process) or self._by_program(process) or self._by_kinship(process)

    def _by_owner(self, process: Process) -> str | None:
        if process.uid in self._policy.uids:
            return f"user id {process.uid} is on the operator's list"
        return None

    def _by_program(self, process: Process) -> str | None:
        program = host_program(process)
        if program in self._policy.programs:
            return f"{program} is on the operator's list"
        if process.uid == 0 and program in RUNTIMES:
            return f"{program} is a container runtime"
        if _is_sshd(process) or (program in SSHD and _is_sshd(self._system.facts(process.ppid))):
            return "it is sshd"  # also the part that runs as the user who logged in
        return None

    def _by_kinship(self, process: Process) -> str | None:
        if self._own & {process.pid, *self._ancestors(process)}:
            return "it is the agent, or was started by it"
        if self._system.childless(process.pid):
            return None  # it is nobody's ancestor, and a look at every process is saved
        parents = self._system.parents()
        for pid in _descendants(process.pid, parents):
            if pid in self._own:
                return "it is an ancestor of the agent"
            if _is_sshd(self._system.facts(pid)):
                return "it is an ancestor of sshd"
        return None

    def _ancestors(self, process: Process) -> Iterator[int]:
        seen = {process.pid}
        found: Process | None = process
        while found is not None and found.ppid not in seen:
            seen.add(found.ppid)
            yield found.ppid
            found = self._system.facts(found.ppid)


def host_program(process: Process) -> str | None:
    """Return the path of its executable (also if the file was replaced since) if it is a path of the host."""
    if process.exe is None or not process.own_mounts:
        return None
    return process.exe.removesuffix(_DELETED)


def own_processes(pid_file: Path) -> frozenset[int]:
    """Return the pids of the agent: this process, and the daemon by its pid file."""
    try:
        daemon = {int(pid_file.read_text().split()[0])}
    except (OSError, ValueError, IndexError):
        daemon = set()  # no daemon runs
    return frozenset({os.getpid()} | daemon)


def _is_sshd(process: Process | None) -> bool:
    """Whether it is root's sshd: one that a user has started for himself protects nobody."""
    return process is not None and process.uid == 0 and host_program(process) in SSHD


def _descendants(pid: int, parents: Mapping[int, int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:
        found.extend(child for child in children.get(one, ()) if child not in found)
    return found[1:]
