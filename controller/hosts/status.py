"""Asking hosts what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.clock import now_ns
from controller.errors import HostError
from controller.parallel import Outcome, each
from controller.ssh import Link, connect
from controller.store import hosts as host_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from controller.inventory import Host
    from controller.store import Store


def refresh(
    store: Store, hosts: Sequence[Host], known_hosts: Path | None = None
) -> Iterator[Outcome[dict[str, Any]]]:
    """Ask every host for its status and store the answers; give each outcome as it comes."""
    for outcome in each(hosts, lambda host: ask(host, known_hosts)):
        error = outcome.error
        reason = error.reason if isinstance(error, HostError) else str(error)
        with store.write() as tx:
            changes = outcome.value or {"reason": reason}
            host_store.update(tx, outcome.host.name, outcome.host.connection.address, **changes)
        yield outcome


def ask(host: Host, known_hosts: Path | None = None) -> dict[str, Any]:
    """Return what a host says of itself, as fields of ``HostState``. Raises HostError."""
    with connect(host, known_hosts=known_hosts) as session:
        link, hello = Link.open(session)
        try:
            status, _ = link.call("status")
        finally:
            link.close()
    return described(hello) | {
        "status": {key: value for key, value in status.items() if key not in {"re", "ok"}}
    }


def described(hello: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ``HostState`` that a greeting tells."""
    texts = {key: str(hello.get(key)) for key in ("agent_version", "boot_id")}
    return {**texts, "seen_ns": now_ns(), "reason": None}
