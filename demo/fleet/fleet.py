"""A fleet of simulated hosts: made together, gone together."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from demo.fleet.host import FleetError, Host, command
from demo.fleet.sweep import FOLDERS, LINK, PREFIX, lock, sweep

NETWORKS = ipaddress.IPv4Network("10.211.0.0/16")
"""Each fleet takes a free /24 of it."""


class Fleet:
    """Simulated hosts on one private bridge, with the keys and the inventory that reach them.

    Use :meth:`start`, as a context manager. Everything is in ``folder`` and goes with it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.id = secrets.token_hex(3)
        self.folder = FOLDERS / f"{PREFIX}{self.id}"
        self.bridge = f"{LINK}{self.id}"
        self.key = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        self.inventory = self.folder / "inventory.yml"
        self.hosts: dict[str, Host] = {}
        self._gateway = ""
        self._names = tuple(names)
        self._lock: int | None = None

    @classmethod
    def start(cls, names: Sequence[str]) -> Fleet:
        """Clear what dead fleets left, then make hosts with these names. Raises FleetError.

        Whatever stops it half way (Ctrl-C too) leaves nothing behind.
        """
        if os.geteuid() != 0:
            raise FleetError("simulated hosts are made of namespaces and need root: run as root")
        fleet = cls(names)
        try:
            fleet._make()
        except BaseException:
            fleet.stop()
            raise
        return fleet

    def _make(self) -> None:
        with _one_at_a_time():
            sweep()
            self.folder.mkdir(mode=0o755)
            self._lock = lock(self.folder)
            network = _free_network()
            self._gateway = str(network[1])
            command(["ip", "link", "add", self.bridge, "type", "bridge"])
            command(["ip", "address", "add", f"{self._gateway}/{network.prefixlen}", "dev", self.bridge])
            command(["ip", "link", "set", self.bridge, "up"])
        command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tercel", "-f", str(self.key)])
        for number, name in enumerate(self._names, start=1):
            folder = self.folder / "hosts" / name
            address = str(network[9 + number])
            self.hosts[name] = Host(name, address, folder, self.bridge, f"{self.bridge}.{number}")
        self._start_hosts()
        self.write_known_hosts()
        self._write_inventory()

    def _start_hosts(self) -> None:
        public_key = self.key.with_suffix(".pub").read_text()

        def start(host: Host) -> None:
            host.prepare(public_key)
            host.start(self._gateway)

        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(start, self.hosts.values()):
                pass  # raises what a host raised

    def write_known_hosts(self) -> None:
        """Write the host keys that the hosts have now, by name of their address."""
        lines = (f"{host.address} {host.public_key}\n" for host in self.hosts.values())
        self.known_hosts.write_text("".join(lines))

    def _write_inventory(self) -> None:
        hosts = {name: {"ansible_host": host.address} for name, host in self.hosts.items()}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.key),
            "tercel_known_hosts": str(self.known_hosts),
            "tercel_own_pid_namespace": True,  # their agents share this machine's kernel
        }
        groups: dict[str, dict[str, dict[str, object]]] = {}
        for name in self.hosts:
            if (group := name.rstrip("0123456789")) != name:  # web1 and web2 are in the group web
                groups.setdefault(group, {"hosts": {}})["hosts"][name] = {}
        text = json.dumps({"all": {"vars": variables, "hosts": hosts, "children": groups}}, indent=2)
        self.inventory.write_text(text + "\n")  # JSON is YAML

    def restart(self, name: str) -> None:
        """Turn a host off and on; its disk stays, its processes and ``/run`` do not."""
        self.hosts[name].stop()
        self.hosts[name].start(self._gateway)

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every host and remove everything that the fleet made."""
        for host in self.hosts.values():
            host.stop()
        if self._lock is None:
            return
        command(["ip", "link", "delete", self.bridge], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let two fleets that start together neither sweep one another nor take the same network."""
    folder = os.open(FOLDERS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _free_network() -> ipaddress.IPv4Network:
    taken = [
        ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}").network
        for card in json.loads(command(["ip", "-json", "-4", "address"]))
        for address in card.get("addr_info", ())
    ]
    for network in NETWORKS.subnets(new_prefix=24):
        if not any(network.overlaps(other) for other in taken):
            return network
    raise FleetError(f"no free network in {NETWORKS}: is another fleet running hundreds of times?")
