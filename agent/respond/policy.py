"""What the operator adds to the host's own limits: ``/etc/tercel/respond.yml``.

.. code-block:: yaml

    protected:                 # beside what is always protected
      programs: [/usr/lib/postgresql/15/bin/postgres]   # paths of executables on the host
      users: [postgres]        # names or numbers
    budget:
      actions: 30              # at most so many actions
      seconds: 60              # in so much time

A policy can narrow what may be done, never widen it. A policy that cannot be read stops every
action: what it would have protected is not known.
"""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FILE = "respond.yml"
MOST_ACTIONS = 30
PER_SECONDS = 60


class PolicyError(ValueError):
    """The policy cannot be read; the message names the place and the fix."""


@dataclass(frozen=True)
class Policy:
    """Limits for every action on this host."""

    programs: frozenset[str] = frozenset()
    uids: frozenset[int] = frozenset()
    actions: int = MOST_ACTIONS
    """At most so many actions are begun in :attr:`seconds`."""
    seconds: int = PER_SECONDS


def load(path: Path) -> Policy:
    """Read the policy; without the file the limits are the built-in ones. Raises PolicyError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    import yaml  # only where there is a policy: it costs memory and time

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError(f"{path}: {' '.join(str(error).split())}") from None
    return parse(value, str(path))


def parse(value: Any, where: str) -> Policy:
    """Return the policy that the YAML document ``value`` says. Raises PolicyError."""
    top = _section(value, {"protected", "budget"}, where)
    protected = _section(top.get("protected"), {"programs", "users"}, f"{where}: protected")
    budget = _section(top.get("budget"), {"actions", "seconds"}, f"{where}: budget")
    return Policy(
        programs=frozenset(_programs(protected.get("programs"), where)),
        uids=frozenset(_uids(protected.get("users"), where)),
        actions=_number(budget, "actions", MOST_ACTIONS, 0, where),
        seconds=_number(budget, "seconds", PER_SECONDS, 1, where),
    )


def _section(value: Any, known: set[str], where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PolicyError(f"{where}: must be a mapping of {', '.join(sorted(known))}")
    if unknown := [key for key in value if key not in known]:
        raise PolicyError(f"{where}: {unknown[0]!a} is unknown here; known: {', '.join(sorted(known))}")
    return value


def _list(value: Any, what: str, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PolicyError(f"{where}: protected: {what} must be a list")
    return value


def _programs(value: Any, where: str) -> list[str]:
    programs = _list(value, "programs", where)
    for one in programs:
        if not isinstance(one, str) or not one.startswith("/"):
            raise PolicyError(f"{where}: protected: programs: {one!a} is not the full path of an executable")
    return programs


def _uids(value: Any, where: str) -> list[int]:
    uids = []
    for one in _list(value, "users", where):
        if isinstance(one, int) and not isinstance(one, bool):
            uids.append(one)
        elif isinstance(one, str):
            uids.extend(_uid(one))
        else:
            raise PolicyError(f"{where}: protected: users: {one!a} is neither a user's name nor a number")
    return uids


def _uid(name: str) -> list[int]:
    try:
        return [pwd.getpwnam(name).pw_uid]
    except KeyError:
        return []  # one policy serves many hosts: a user that is not on this one has no processes here


def _number(section: dict[str, Any], key: str, default: int, least: int, where: str) -> int:
    value = section.get(key, default)
    if type(value) is not int or value < least:
        raise PolicyError(f"{where}: budget: {key} must be a whole number, {least} or more, not {value!a}")
    return value
