"""Releases on this host: put beside, activated by the daemon."""

from __future__ import annotations

import re

from agent import control, durable, release
from agent.link.session import Handler
from agent.paths import Paths
from agent.release import Manifest, ReleaseError, Signature
from agent.trust import TooOldError, Trust, TrustError
from agent.wire import Message, Refused

_ID = re.compile(r"[0-9]{1,12}-[0-9a-f]{12}")


class Releases:
    """The release verbs."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._trust = Trust(paths)

    def handlers(self) -> dict[str, Handler]:
        """Return the verbs."""
        return {"release.have": self.have, "release.put": self.put, "release.activate": self.activate}

    def have(self, message: Message, _blob: bytes) -> Message:
        """Say whether a release is here."""
        return {"present": (self._paths.releases / _id(message)).is_dir()}

    def put(self, message: Message, blob: bytes) -> Message:
        """Verify an archive and unpack it beside the others; nothing changes yet."""
        wanted = _id(message)
        try:
            manifest, files = release.unpack(blob)
            self._trust.check(manifest, _signature(files.get(release.SIGNATURE)))
        except (ReleaseError, TrustError) as error:
            raise Refused("release_rejected", str(error)) from None
        if manifest.id != wanted:
            raise Refused("release_rejected", f"the archive holds release {manifest.id}, not {wanted}")
        durable.folder(self._paths.releases / wanted, {**files, release.MANIFEST: manifest.to_json()})
        return {"release": wanted}

    def activate(self, message: Message, _blob: bytes) -> Message:
        """Have the daemon load a release and make it the current one."""
        wanted = _id(message)
        if not (self._paths.releases / wanted).is_dir():
            raise Refused("release_unknown", f"release {wanted} is not on this host: put it first")
        manifest, signature = self._allowed(wanted, message.get("word"))
        try:
            answer = control.ask(self._paths, {"do": "activate", "release": wanted})
        except control.NoDaemonError as error:
            raise Refused("no_engine", f"{error}; start it with: tercel-agent start") from None
        self._trust.remember(manifest, signature)
        return {key: answer[key] for key in ("digest", "previous")}

    def _allowed(self, wanted: str, word: object) -> tuple[Manifest, Signature | None]:
        """Check a release that is here: what was put may have expired or been overtaken. Raises Refused."""
        folder = self._paths.releases / wanted
        try:
            manifest = Manifest.from_json((folder / release.MANIFEST).read_bytes())
            path = folder / release.SIGNATURE
            signature = _signature(path.read_bytes() if path.exists() else None)
            self._trust.check(manifest, signature)
            given = _signature(word.encode()) if isinstance(word, str) else None
            self._trust.check_age(manifest, signature, given)
        except TooOldError as error:
            raise Refused("release_too_old", str(error), {"counter": error.counter}) from None
        except (ReleaseError, TrustError, OSError) as error:
            raise Refused("release_rejected", str(error)) from None
        return manifest, signature


def _signature(text: bytes | None) -> Signature | None:
    return None if text is None else Signature.from_bytes(text)


def _id(message: Message) -> str:
    wanted = message.get("release")
    if not isinstance(wanted, str) or not _ID.fullmatch(wanted):
        raise Refused("bad_request", f"{wanted!r} is no release id")
    return wanted
