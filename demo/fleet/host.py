"""One simulated host: its processes, its cable, its host key."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

SCRIPT = Path(__file__).with_name("host.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OWN = ("opt", "root", "run", "tmp", "usr/local/bin", "var/cache", "var/lib/dpkg", "var/log", "var/tmp")
"""Folders that begin empty on a host; ``etc`` begins as a copy of the machine's."""
SSHD_CONFIG = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 500:30:1000
MaxSessions 100
PrintMotd no
PrintLastLog no
Subsystem sftp internal-sftp
"""


class FleetError(RuntimeError):
    """A simulated host could not be made, or a command on it failed."""


def command(argv: Sequence[str], *, check: bool = True) -> str:
    """Run ``argv`` on the machine; return its standard output. Raises FleetError with its message."""
    done = subprocess.run(
        argv, env={"PATH": PATH}, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        raise FleetError(f"{' '.join(argv)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done.stdout


class Host:
    """A simulated host. Its files stay from one ``start`` to the next, as a disk's would."""

    def __init__(self, name: str, address: str, folder: Path, bridge: str, link: str) -> None:
        self.name = name
        self.address = address
        self.folder = folder
        """The host's disk, seen from the machine: ``folder/etc``, ``folder/var``, …"""
        self._bridge = bridge
        self._link = link
        self._process: subprocess.Popen[str] | None = None
        self._init = 0

    @property
    def running(self) -> bool:
        """Whether the host is up."""
        return self._process is not None and self._process.poll() is None

    @property
    def init(self) -> int:
        """Pid of the host's process 1, as the machine counts."""
        return self._init

    def prepare(self, public_key: str) -> None:
        """Write the host's disk, with a host key of its own and ``public_key`` let in as root."""
        for each in OWN:
            (self.folder / each).mkdir(parents=True, exist_ok=True)
        for each in ("tmp", "var/tmp"):
            (self.folder / each).chmod(0o1777)
        (self.folder / "var/run").symlink_to("/run")
        command(["cp", "-a", "/etc", str(self.folder)])
        self._own_etc(public_key)
        self.new_key()

    def _own_etc(self, public_key: str) -> None:
        """Make the copied /etc a stranger to the machine's secrets, and a host of its own."""
        etc = self.folder / "etc"
        shutil.rmtree(etc / "ssh", ignore_errors=True)
        (etc / "ssh").mkdir()
        (etc / "ssh/sshd_config").write_text(SSHD_CONFIG)
        (etc / "ssh/authorized_keys").write_text(public_key)
        (etc / "hostname").write_text(f"{self.name}\n")
        users = [line.split(":", 1)[0] for line in (etc / "passwd").read_text().splitlines()]
        (etc / "shadow").write_text("".join(f"{user}:*:19000:0:99999:7:::\n" for user in users))
        (etc / "shadow").chmod(0o640)

    def new_key(self) -> None:
        """Give the host a new host key, as a reinstalled or a forged host would show."""
        key = self.folder / "etc/ssh/host_key"
        key.unlink(missing_ok=True)
        command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)])
        if self.running:
            self.run(["sh", "-c", "kill -HUP $(cat /run/sshd.pid)"])
            self._wait_for_key()

    def _wait_for_key(self) -> None:
        deadline = time.monotonic() + 5
        while self.public_key not in command(
            ["ssh-keyscan", "-T", "1", "-t", "ed25519", self.address], check=False
        ):
            if time.monotonic() > deadline:
                raise FleetError(f"host {self.name} does not show its new key")
            time.sleep(0.02)

    @property
    def public_key(self) -> str:
        """The host's public key, as it stands in known_hosts after the name."""
        return " ".join((self.folder / "etc/ssh/host_key.pub").read_text().split()[:2])

    def start(self, gateway: str) -> None:
        """Bring the host up. Raises FleetError, with what it said, if it does not come."""
        namespaces = ["--net", "--uts", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
        self._process = process = subprocess.Popen(
            ["unshare", *namespaces, "/bin/sh", SCRIPT, self.folder, self.name, self.address, gateway],
            env={"PATH": PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._expect("mounted")
        self._plug(process.pid)
        _pipe(process.stdin).write("\n")
        _pipe(process.stdin).flush()
        self._expect("up")
        self._init = _child_of(process.pid)

    def _expect(self, word: str) -> None:
        process = self._process
        said = _pipe(process.stdout if process else None).readline()
        if said.strip() != word:
            rest = process.communicate()[0] if process else ""
            raise FleetError(f"host {self.name} did not start: {(said + rest).strip() or 'no reason given'}")

    def _plug(self, pid: int) -> None:
        command(["ip", "link", "delete", self._link], check=False)  # an earlier life's may still be going
        command(["ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
        command(["ip", "link", "set", self._link, "master", self._bridge, "up"])

    def argv(self, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs ``argv`` inside this host."""
        inside = ["--mount", "--uts", "--net", "--pid", "--wd"]
        return ["nsenter", "--target", str(self._init), *inside, "--", *argv]

    def popen(
        self, argv: Sequence[str], *, stdout: int | IO[str] | None = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start ``argv`` as root inside the host, with an environment like a login's."""
        return subprocess.Popen(
            self.argv(argv),
            env={"PATH": PATH, "HOME": "/root", "USER": "root", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run ``argv`` inside the host to its end (``timeout`` seconds); output and errors together.

        Raises FleetError if it fails and ``check`` is set, ``subprocess.TimeoutExpired`` if it lasts.
        """
        with self.popen(argv, stdout=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        if check and process.returncode:
            raise FleetError(f"{self.name}: {' '.join(argv)}: exit {process.returncode}: {output.strip()}")
        return subprocess.CompletedProcess(argv, process.returncode, output)

    def pids(self, program: str) -> list[int]:
        """Return the pids, as the host counts, of its processes whose first argument ends in ``program``."""
        found = []
        root = Path(f"/proc/{self._init}/root/proc")
        for entry in root.iterdir():
            if not entry.name.isdigit():
                continue
            try:
                first = (entry / "cmdline").read_bytes().split(b"\0", 1)[0]
            except OSError:  # it ended meanwhile
                continue
            if first.rsplit(b"/", 1)[-1] == program.encode():
                found.append(int(entry.name))
        return sorted(found)

    def cut(self) -> None:
        """Pull the host's cable: packets vanish, connections hang."""
        command(["ip", "link", "set", self._link, "down"])

    def restore(self) -> None:
        """Put the cable back."""
        command(["ip", "link", "set", self._link, "up"])

    def stop(self) -> None:
        """Turn the host off as a power cut would; every process on it is gone on return."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL)  # unshare --kill-child: process 1 goes too, and all with it
        process.communicate()
        if self._init:
            _wait_gone(self._init)
        self._init = 0
        command(["ip", "link", "delete", self._link], check=False)  # the kernel takes its time


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise FleetError("the host has no pipe")
    return stream


def _child_of(pid: int) -> int:
    """Return the pid of the one child of ``pid``."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == pid:
            return int(entry.name)
    raise FleetError(f"process {pid} has no child: the host ended at once")


def _parent(entry: Path) -> int | None:
    try:
        found = re.match(rb"\d+ \(.*\) \S (\d+)", (entry / "stat").read_bytes(), re.DOTALL)
    except OSError:  # it ended meanwhile
        return None
    return int(found[1]) if found else None


def _wait_gone(pid: int) -> None:
    """Wait until ``pid`` is gone: the kernel ends a pid namespace's processes before its first."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], 10)
    finally:
        os.close(handle)
