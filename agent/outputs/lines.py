"""Outputs that take one line for each alert: stdout, file, program, syslog."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Callable

from agent.alert import PRIORITIES, Alert

Line = Callable[[Alert], str]
"""Makes the line of an alert, without newline."""

_SYSLOG = "/dev/log"
_USER = 1 << 3  # facility LOG_USER, as Falco's


class Stdout:
    """``stdout_output``."""

    name = "stdout_output"

    def __init__(self, line: Line, fd: int = 1) -> None:
        self._line, self._fd = line, fd

    def write(self, alert: Alert) -> None:
        """Write the line."""
        write_whole(self._fd, self._line(alert))

    def reopen(self) -> None:
        """Nothing is opened by name."""

    def close(self) -> None:
        """Nothing to let go."""


class File:
    """``file_output``: appends. Without ``keep_alive`` the file is opened anew for each alert."""

    name = "file_output"

    def __init__(self, line: Line, path: Path, *, keep_alive: bool) -> None:
        self._line, self._path, self._keep_alive = line, path, keep_alive
        self._fd = -1

    def write(self, alert: Alert) -> None:
        """Append the line."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            write_whole(self._fd, self._line(alert))
        finally:
            if not self._keep_alive:
                self.close()

    def reopen(self) -> None:
        """Close the file; the next alert opens it."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class Program:
    """``program_output``: the line goes to a shell command's stdin, started for each alert or kept alive.

    The command is the operator's, from falco.yaml. Nothing of an alert becomes part of it.
    """

    name = "program_output"

    def __init__(self, line: Line, command: str, *, keep_alive: bool, timeout_s: float = 10.0) -> None:
        self._line, self._command, self._keep_alive = line, command, keep_alive
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, alert: Alert) -> None:
        """Hand the line over. Raises OSError if the program has died or ends with an error."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self._process is None:
            self._process = subprocess.Popen(["/bin/sh", "-c", self._command], stdin=subprocess.PIPE)
        stdin = self._process.stdin
        if stdin is not None:
            write_whole(stdin.fileno(), self._line(alert))
        if not self._keep_alive:
            self.close()

    def reopen(self) -> None:
        """Start the program anew with the next alert."""
        self.close()

    def close(self) -> None:
        """Close the program's stdin; kill it if it does not end. Raises OSError if it failed."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            code = process.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise TimeoutError(
                f"the program did not end within {self._timeout_s:g} s and was killed"
            ) from None
        if code != 0:
            raise OSError(f"the program ended with exit code {code}")


class Syslog:
    """``syslog_output``: datagrams to the local syslog daemon, under Falco's own identity."""

    name = "syslog_output"

    def __init__(self, line: Line, address: str = _SYSLOG, ident: str = "falco") -> None:
        self._line, self._address, self._ident = line, address, ident
        self._socket: socket.socket | None = None

    def write(self, alert: Alert) -> None:
        """Send the line with the alert's priority."""
        data = f"<{_USER | PRIORITIES.index(alert.priority)}>{self._ident}: {self._line(alert)}".encode()
        try:
            self._connected().send(data)
        except OSError:  # the syslog daemon was started anew: once more, on a new connection
            self.close()
            self._connected().send(data)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                connection.connect(self._address)
            except OSError as error:
                connection.close()
                raise OSError(error.errno, f"no syslog daemon at {self._address}: {error.strerror}") from None
            self._socket = connection
        return self._socket

    def reopen(self) -> None:
        """Connect anew with the next alert."""
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def write_whole(fd: int, line: str) -> None:
    """Write a line and its newline, whole. Raises OSError."""
    data = memoryview(line.encode(errors="replace") + b"\n")
    while data:
        data = data[os.write(fd, data) :]
