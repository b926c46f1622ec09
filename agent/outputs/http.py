"""``http_output``: each alert is posted as JSON."""

from __future__ import annotations

import gzip
import os
import ssl
from dataclasses import dataclass
from typing import Callable

import requests

from agent.alert import Alert
from agent.outputs.lines import write_whole

_ATTEMPTS = 3
_TIMEOUT_S = (3.05, 5.0)  # to connect, to answer
_MAX_ANSWER = 64 * 1024


@dataclass(frozen=True)
class HttpSettings:
    """The keys of ``http_output``."""

    url: str
    user_agent: str
    verify: bool | str = True
    """Whether to check the server's certificate; or the file or folder of authorities to check it with."""
    certificate: tuple[str, str] | None = None
    """Files of the client's certificate and key."""
    echo: bool = False
    """Copy each answer to stdout."""
    compress: bool = False
    keep_alive: bool = False


class Http:
    """Posts alerts. A failed attempt is repeated, twice at most; the queue holds what comes meanwhile."""

    name = "http_output"

    def __init__(self, line: Callable[[Alert], str], settings: HttpSettings) -> None:
        self._line, self._settings = line, settings
        self._session = self._new_session()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # proxies and credentials come from falco.yaml or not at all
        session.headers["User-Agent"] = self._settings.user_agent
        session.headers["Content-Type"] = "application/json"
        if self._settings.compress:
            session.headers["Content-Encoding"] = "gzip"
        if not self._settings.keep_alive:
            session.headers["Connection"] = "close"
        session.verify = self._settings.verify
        session.cert = self._settings.certificate
        return session

    def write(self, alert: Alert) -> None:
        """Post the alert. Raises OSError if the server did not take it."""
        body = self._line(alert).encode(errors="replace")
        if self._settings.compress:
            body = gzip.compress(body)
        attempts = _ATTEMPTS
        while not self._posted(body, last=attempts == 1):
            attempts -= 1

    def _posted(self, body: bytes, *, last: bool) -> bool:
        """Post once; a failure is raised only at the last attempt."""
        try:
            self._post(body)
        except OSError:  # requests' errors are OSErrors too
            if last:
                raise
            return False
        return True

    def _post(self, body: bytes) -> None:
        url = self._settings.url
        with self._session.post(
            url, data=body, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        ) as answer:
            text = answer.raw.read(_MAX_ANSWER, decode_content=True)
        if self._settings.echo:
            write_whole(1, repr(text.decode(errors="replace"))[1:-1])
        if not 200 <= answer.status_code < 300:  # a redirect delivered nothing either
            raise OSError(f"{url} answered {answer.status_code}")

    def reopen(self) -> None:
        """Connect anew with the next alert."""
        self._session.close()
        self._session = self._new_session()

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()


def authorities(ca_cert: str, ca_bundle: str, ca_path: str) -> bool | str:
    """Return what to check certificates with: the first that is set and exists, else the system's own."""
    for place in (ca_cert, ca_bundle, ca_path):
        if place and os.path.exists(place):  # noqa: PTH110 - a setting, not a path of ours
            return place
    system = ssl.get_default_verify_paths()
    # Not certifi's: the archive that installs the agent leaves that file out, and hosts have their own.
    return system.cafile or system.capath or True
