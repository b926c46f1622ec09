"""One SSH connection to one host, and commands over it."""

from __future__ import annotations

import logging
import shlex
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import paramiko

from controller.errors import CommandError, HostKeyError, UnreachableError
from controller.ssh.hostkey import trust
from controller.ssh.login import log_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from controller.inventory import Host

CONNECT_SECONDS = 10.0
"""How long connecting and logging in may take, each."""
COMMAND_SECONDS = 60.0
"""How long a command may be silent."""
KEEPALIVE_SECONDS = 10
"""How often an idle connection is used, so that a dead one is noticed."""
DEAD_SECONDS = 20
"""How long sent data may stay unacknowledged before the connection counts as broken."""
# What paramiko logs comes back as our errors; its tracebacks would only hide them.
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
_IDLE_WAKE_SECONDS = 2.0  # paramiko's own is 0.1: 200 idle connections would wake 2,000 times a second


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    """Exit code; -1 if it was killed by a signal."""
    stdout: bytes
    stderr: bytes


class Session:
    """A connection that is logged in. Close it, or use it as a context manager."""

    def __init__(self, host: Host, sock: socket.socket, transport: paramiko.Transport) -> None:
        self.host = host
        self._socket = sock
        self._transport = transport

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._transport.is_active()

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", *, root: bool = True, seconds: float = COMMAND_SECONDS
    ) -> Result:
        """Run a command, as root if asked, and wait for it.

        Raises CommandError if it is silent for ``seconds``, UnreachableError if the connection breaks.
        """
        channel = self.open(argv, root=root)
        channel.settimeout(seconds)
        try:
            channel.sendall(stdin)
            channel.shutdown_write()
            stdout, stderr = _drain(channel)
            code = channel.recv_exit_status()
        except TimeoutError:
            raise CommandError(self.host.name, f"{argv[0]} was silent for {seconds:g} s") from None
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(self.host.name, f"the connection broke: {error}") from None
        finally:
            with suppress(OSError, EOFError):  # the connection is gone already
                channel.close()
        if code == -1 and not self.alive:
            raise UnreachableError(self.host.name, f"the connection broke while {argv[0]} ran")
        return Result(code, stdout, stderr)

    def open(self, argv: Sequence[str], *, root: bool = True) -> paramiko.Channel:
        """Start a command and return its channel. Raises UnreachableError."""
        words = [*self._sudo(), *argv] if root else list(argv)
        try:
            channel = self._transport.open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(shlex.join(words))
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(self.host.name, f"cannot start a command: {error}") from None
        return channel

    def close(self) -> None:
        """End the connection at once."""
        _abandon(self._socket, self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sudo(self) -> list[str]:
        connection = self.host.connection
        return ["sudo", "-n", "--"] if connection.user != "root" and connection.become else []


def connect(host: Host, *, known_hosts: Path | None = None, seconds: float = CONNECT_SECONDS) -> Session:
    """Connect, check the host's key, and log in. Raises UnreachableError, HostKeyError, LoginError."""
    expected = trust(host.name, host.connection, known_hosts)
    sock = _dial(host, seconds)
    transport = None
    try:
        transport = paramiko.Transport(sock)
        transport.banner_timeout = transport.auth_timeout = seconds
        options = transport.get_security_options()
        options.key_types = expected.algorithms(tuple(options.key_types))
        transport.start_client(timeout=seconds)
        key = transport.get_remote_server_key()
        expected.check(key.get_name(), key.asbytes())
        log_in(host.name, host.connection, transport)
    except (OSError, EOFError, paramiko.SSHException) as error:
        _abandon(sock, transport)
        raise _explained(host, error) from None
    except BaseException:
        _abandon(sock, transport)
        raise
    transport.set_keepalive(KEEPALIVE_SECONDS)
    sock.settimeout(_IDLE_WAKE_SECONDS)
    return Session(host, sock, transport)


def _dial(host: Host, seconds: float) -> socket.socket:
    address, port = host.connection.address, host.connection.port
    try:
        sock = socket.create_connection((address, port), timeout=seconds)
    except TimeoutError:
        raise UnreachableError(
            host.name, f"no answer from {address} port {port} within {seconds:g} s"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreachableError(host.name, f"cannot connect to {address} port {port}: {reason}") from None
    # Without it a small command waits 40 ms for the host's delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_SECONDS * 1000)
    return sock


def _explained(host: Host, error: Exception) -> UnreachableError | HostKeyError:
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return HostKeyError(host.name, f"it has none of the kinds of key that are known for it: {error}")
    text = str(error) or type(error).__name__
    return UnreachableError(
        host.name, f"no SSH with {host.connection.address} port {host.connection.port}: {text}"
    )


def _abandon(sock: socket.socket, transport: paramiko.Transport | None) -> None:
    with suppress(OSError):  # not connected any more
        # Wakes paramiko's thread, for which close() waits.
        sock.shutdown(socket.SHUT_RDWR)
    if transport is not None:
        with suppress(OSError, EOFError):
            transport.close()
    sock.close()


def _drain(channel: paramiko.Channel) -> tuple[bytes, bytes]:
    """Read to the end. Standard error waits in the channel's window meanwhile: 2 MB are enough for it."""
    stdout = bytearray()
    while data := channel.recv(65536):
        stdout += data
    stderr = bytearray()
    while data := channel.recv_stderr(65536):
        stderr += data
    return bytes(stdout), bytes(stderr)
