"""Bringing a release to hosts: have, put, activate, and believe only the digest that the engine reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.clock import now_ns
from controller.errors import HostError, RefusedError, TercelError
from controller.parallel import each
from controller.ssh import Link, connect
from controller.store import hosts as host_store
from controller.store.hosts import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.wire import Message
    from controller.inventory import Host
    from controller.release.shelf import Contents
    from controller.signing import Signer
    from controller.store import Store
    from controller.store.releases import ReleaseEntry

ACTIVATE_SECONDS = 180.0
"""How long a host may take to load a release: it compiles while what ran goes on running."""


@dataclass(frozen=True)
class Pushed:
    """How the push to one host ended."""

    host: str
    outcome: str
    """``changed``, ``unchanged`` or ``failed``; ``held`` for a host that a rollout did not come to."""
    milliseconds: int
    digest: str | None = None
    reason: str | None = None
    diagnostics: tuple[str, ...] = ()


@dataclass(frozen=True)
class Delivery:
    """What is pushed."""

    entry: ReleaseEntry
    contents: Contents
    signer: Signer | None = None
    """Gives the word that hosts may go back to this release; None: they may not."""


def push(
    store: Store, delivery: Delivery, hosts: Sequence[Host], known_hosts: Path | None = None
) -> Iterator[Pushed]:
    """Push to every host at once; give each result as it comes, after it is written down."""
    entry = delivery.entry
    with store.write() as tx:
        for host in hosts:
            if config := entry.configs.get(host.name):
                wanted = {"release_wanted": entry.id, "digest_wanted": delivery.contents.digest(config)}
                host_store.update(tx, host.name, host.connection.address, **wanted)
    started = now_ns()
    for outcome in each(hosts, lambda host: _push_one(delivery, host, known_hosts)):
        pushed = outcome.value or _failed(outcome.host, outcome.error, started)
        with store.write() as tx:
            host_store.add_deployment(tx, _deployment(entry, pushed, started))
        yield pushed


def deliver(link: Link, contents: Contents, config: str, signer: Signer | None = None) -> tuple[bool, str]:
    """Bring a release to the host behind ``link``. Return whether that changed it, and the engine's digest.

    A host that had a newer release takes it only with the word of ``signer``.
    Raises RefusedError if the host rejects it, HostError if the engine loaded something else.
    """
    release, wanted = contents.manifest.id, contents.digest(config)
    status, have = link.request("status"), link.request("release.have", release=release)
    before, present = status.result(60)[0], have.result(60)[0]["present"]
    if before.get("release") == release and (before.get("engine") or {}).get("digest") == wanted:
        return False, wanted
    if not present:
        link.call("release.put", contents.archive(config), release=release)
    answer = _activate(link, release, signer)
    digest = str(answer.get("digest"))
    if digest != wanted:
        raise HostError(
            link.host,
            f"its engine loaded {digest[:12]}, not {wanted[:12]}: "
            "another configuration or rules file is in use there",
        )
    return True, digest


def _activate(link: Link, release: str, signer: Signer | None) -> Message:
    try:
        return link.call("release.activate", release=release, seconds=ACTIVATE_SECONDS)[0]
    except RefusedError as refusal:
        counter = refusal.details.get("counter") if isinstance(refusal.details, dict) else None
        if refusal.code != "release_too_old" or not isinstance(counter, int):
            raise
        if signer is None:
            raise HostError(link.host, f"{refusal.reason}: name the release to go back to it") from None
        word = signer.allow_older(release, counter).to_bytes().decode()
    return link.call("release.activate", release=release, word=word, seconds=ACTIVATE_SECONDS)[0]


def _push_one(delivery: Delivery, host: Host, known_hosts: Path | None) -> Pushed:
    started = now_ns()
    config = delivery.entry.configs.get(host.name)
    if config is None:
        raise HostError(
            host.name, f"release {delivery.entry.id} was built without this host: build a new one"
        )
    with connect(host, known_hosts=known_hosts) as session:
        link, _ = Link.open(session)
        try:
            changed, digest = deliver(link, delivery.contents, config, delivery.signer)
        finally:
            link.close()
    return Pushed(host.name, "changed" if changed else "unchanged", _since(started), digest)


def _since(started: int) -> int:
    return (now_ns() - started) // 10**6


def _failed(host: Host, error: TercelError | None, started: int) -> Pushed:
    reason = error.reason if isinstance(error, HostError) else str(error)
    details = error.details if isinstance(error, RefusedError) else None
    return Pushed(host.name, "failed", _since(started), reason=reason, diagnostics=_diagnostics(details))


def _diagnostics(details: Any) -> tuple[str, ...]:
    items = details.get("diagnostics") if isinstance(details, dict) else None
    return tuple(_line(item) for item in items) if isinstance(items, list) else ()


def _line(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = ":".join(str(item[key]) for key in ("file", "line", "column") if key in item)
    return f"{place}: {item.get('severity', 'error')}: {item.get('message', item)}"


def _deployment(entry: ReleaseEntry, pushed: Pushed, started: int) -> Deployment:
    return Deployment(entry.id, pushed.host, started, now_ns(), pushed.outcome, pushed.digest, pushed.reason)
