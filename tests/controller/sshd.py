"""A real sshd on loopback, with keys of its own, for tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 500:30:1000
MaxSessions 100
LogLevel ERROR
PermitUserEnvironment yes
SetEnv {environment}
{more}
"""


def keygen(path: Path, *options: str) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path, *options], check=True
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Sshd:
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    more: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def key(self) -> Path:
        return self.folder / "id"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("host_key", "id"):
            keygen(self.folder / name)
        shutil.copy(self.folder / "id.pub", self.folder / "authorized_keys")
        self.trust()

    def trust(self) -> None:
        kind, key, *_ = (self.folder / "host_key.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        environment = " ".join(
            f'"{name}={value}"' for name, value in {"TERCEL_TEST": "1", **self.environment}.items()
        )
        config = self.folder / "sshd_config"
        config.write_text(
            CONFIG.format(port=self.port, folder=self.folder, environment=environment, more=self.more)
        )
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def children(self) -> list[int]:
        """Pids of the sessions that this sshd serves."""
        assert self.process
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in tasks]

    def cut(self) -> None:
        """Cut every connection."""
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        if self.process is not None:
            self.cut()
            self.process.terminate()
            self.process.wait()
            self.process = None

    def variables(self) -> str:
        """Inventory variables of a host that is this sshd."""
        return (
            f"{{ansible_host: 127.0.0.1, ansible_port: {self.port}, ansible_user: root, "
            f"ansible_ssh_private_key_file: {self.key}, tercel_known_hosts: {self.known_hosts}}}"
        )
