"""Logging in with the operator's keys: a key file, ssh-agent, or the usual files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from controller.errors import LoginError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from controller.inventory import Connection

USUAL_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


def log_in(host: str, connection: Connection, transport: paramiko.Transport) -> None:
    """Try the keys one after another. Raises LoginError that names those that were tried."""
    tried: list[str] = []
    agent = paramiko.Agent()
    try:
        for name, key in _candidates(host, connection, agent, tried):
            tried.append(name)
            try:
                transport.auth_publickey(connection.user, key)
            except paramiko.BadAuthenticationType as error:
                raise LoginError(
                    host, f"it does not take keys (it wants {', '.join(error.allowed_types)})"
                ) from None
            except paramiko.AuthenticationException:
                continue
            if transport.is_authenticated():
                return
    finally:
        agent.close()
    what = (
        f"none of these keys was accepted: {', '.join(tried)}" if tried else "there is no key to log in with"
    )
    raise LoginError(
        host,
        f"cannot log in as {connection.user}: {what}. "
        "Name one in ansible_ssh_private_key_file or add it to ssh-agent",
    )


def _candidates(
    host: str, connection: Connection, agent: paramiko.Agent, tried: list[str]
) -> Iterator[tuple[str, paramiko.PKey]]:
    if connection.key_file is not None:
        try:
            yield str(connection.key_file), _load(connection.key_file)
        except paramiko.PasswordRequiredException:
            tried.append(f"{connection.key_file} (has a passphrase: add it to ssh-agent)")
        except (OSError, paramiko.SSHException, ValueError, UnsupportedAlgorithm) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise LoginError(host, f"cannot use the key file {connection.key_file}: {reason}") from None
    for key in agent.get_keys():
        yield f"{key.comment or key.get_name()} (ssh-agent)", key
    if connection.key_file is None:
        yield from _usual(tried)


def _usual(tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for name in USUAL_FILES:
        path = Path(name).expanduser()
        if not path.exists():
            continue
        try:
            yield str(path), _load(path)
        except paramiko.PasswordRequiredException:
            tried.append(f"{path} (has a passphrase: add it to ssh-agent)")
        except (OSError, paramiko.SSHException, ValueError, UnsupportedAlgorithm) as error:
            tried.append(f"{path} (cannot be read: {error})")


@lru_cache(maxsize=64)
def _load(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except TypeError:  # cryptography's word for a passphrase that is missing
        raise paramiko.PasswordRequiredException(f"{path} has a passphrase") from None
