"""Deciding whether a host is who it should be."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controller.errors import HostKeyError
from controller.ssh.known_hosts import KnownKey, fingerprint, host_id, lookup

if TYPE_CHECKING:
    from controller.inventory import Connection

USER_FILE = Path("~/.ssh/known_hosts")
SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True)
class Trust:
    """What the operator's known_hosts files say about one host."""

    host: str
    id: str
    """The host's name in those files."""
    file: Path
    """File that the operator would add it to."""
    keys: tuple[KnownKey, ...]

    def algorithms(self, offered: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of ``offered`` for which a key is known, so that the host shows that one.

        All of them if none is known: then its key is needed to tell the operator its fingerprint.
        """
        types = {key.type for key in self.keys if not key.revoked}
        if "ssh-rsa" in types:
            types |= {"rsa-sha2-256", "rsa-sha2-512"}
        known = tuple(name for name in offered if name in types)
        return known or offered

    def check(self, key_type: str, blob: bytes) -> None:
        """Return if the key that the host shows is trusted. Raises HostKeyError that says what to do."""
        mark = fingerprint(blob)
        for key in self.keys:
            if key.blob == blob and key.revoked:
                raise HostKeyError(
                    self.host, f"its {key_type} key {mark} is revoked ({key.place}): do not connect"
                )
        trusted = [key for key in self.keys if not key.revoked]
        if any(key.blob == blob for key in trusted):
            return
        if trusted:
            raise HostKeyError(
                self.host,
                f"its host key is not the one in {trusted[0].place}: it shows {key_type} {mark}. This may be "
                f"an attack. If the host was set up anew: ssh-keygen -R {shlex.quote(self.id)} "
                f"-f {shlex.quote(trusted[0].file)}, then add its new key",
            )
        raise HostKeyError(
            self.host,
            f"its host key is unknown: {self.id} shows {key_type} {mark} and is not in {self.file}. "
            f"Compare that with `ssh-keygen -lf` of its /etc/ssh/ssh_host_*_key.pub, then: {self._keyscan()}",
        )

    def _keyscan(self) -> str:
        address, _, port = self.id.rpartition("]:")
        words = ["ssh-keyscan", "-p", port, address[1:]] if address else ["ssh-keyscan", self.id]
        return f"{shlex.join(words)} >> {shlex.quote(str(self.file))}"


def trust(host: str, connection: Connection, known_hosts: Path | None = None) -> Trust:
    """Read what is known about a host. Raises HostKeyError if a file that was named cannot be read.

    ``known_hosts`` is the file named on the command line; without it the inventory's counts,
    and without that the user's and the system's.
    """
    named = known_hosts or connection.known_hosts
    files = [named] if named else [USER_FILE.expanduser(), SYSTEM_FILE]
    name = host_id(connection.address, connection.port)
    keys: list[KnownKey] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            if named:
                raise HostKeyError(host, f"there is no known_hosts file {file}") from None
            continue
        except OSError as error:
            raise HostKeyError(host, f"cannot read {file}: {error.strerror}") from None
        keys += lookup(text, name, str(file))
    return Trust(host, name, files[0], tuple(keys))
