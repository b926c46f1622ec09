"""What can go wrong at the controller, as one tree; every error is one clear message.

TercelError                exit code 1
├── InputError             2   what the operator wrote is wrong: file:line:column, and the fix
│   └── InventoryError     2
├── HomeError              1   TERCEL_HOME cannot be used
├── StoreError             1   the store refuses or cannot be read
├── HostError              1   something about one host; its message begins with the host's name
│   ├── UnreachableError       no TCP connection, or it broke
│   ├── HostKeyError           unknown, changed or revoked host key
│   ├── LoginError             no key was accepted
│   ├── CommandError           a command on the host failed
│   ├── LinkError              the agent's link ended or speaks another language
│   └── RefusedError           the agent answered a request with an error
└── ReleaseBuildError      2   rules, playbooks or a template do not make a release
"""

from __future__ import annotations

from typing import Any


class TercelError(Exception):
    """Base of every error that is told to the operator without a traceback."""

    exit_code = 1


class InputError(TercelError):
    """Something that the operator wrote is wrong. ``place`` is ``file:line:column`` or shorter."""

    exit_code = 2

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


class InventoryError(InputError):
    """The inventory cannot be read, or a pattern names no host."""


class HomeError(TercelError):
    """The controller's folder cannot be made, read or written."""


class StoreError(TercelError):
    """The store refuses a change, or its database cannot be used."""


class HostError(TercelError):
    """Something went wrong with one host; the others go on."""

    def __init__(self, host: str, message: str) -> None:
        super().__init__(f"{host}: {message}")
        self.host = host
        self.reason = message


class UnreachableError(HostError):
    """No connection to the host, or the connection broke."""


class HostKeyError(HostError):
    """The host's key is unknown, changed or revoked."""


class LoginError(HostError):
    """The host accepted none of our keys."""


class CommandError(HostError):
    """A command on the host failed or took too long."""


class LinkError(HostError):
    """The agent's link cannot be started, ended, or speaks another protocol."""


class RefusedError(HostError):
    """The agent answered a request with an error."""

    def __init__(self, host: str, code: str, message: str, details: Any = None) -> None:
        super().__init__(host, f"{message} [{code}]")
        self.code = code
        self.details = details


class ReleaseBuildError(InputError):
    """Rules, playbooks or a template do not make a release; ``lines`` say why, one problem each."""

    def __init__(self, message: str, lines: list[str]) -> None:
        super().__init__("\n".join([*lines, message]))
        self.lines = lines
