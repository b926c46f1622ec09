from __future__ import annotations

import dataclasses
import socket
import threading
import time

import pytest
from sshd import Sshd, keygen

from controller.errors import CommandError, HostKeyError, LoginError, UnreachableError
from controller.inventory import Host
from controller.ssh import connect

pytestmark = pytest.mark.fleet


def test_a_command_gets_its_words_as_they_are(host: Host) -> None:
    hostile = ["$(id)", "a b", "'; rm -rf /", "*", "\n", ""]
    with connect(host) as session:
        result = session.run(["python3", "-c", "import sys; print(sys.argv[1:])", *hostile])
    assert result.code == 0
    assert result.stdout.decode().strip() == str(hostile)


def test_input_output_and_exit_code_come_back(host: Host) -> None:
    data = bytes(range(256)) * 8000
    with connect(host) as session:
        assert session.run(["cat"], data).stdout == data
        result = session.run(["sh", "-c", "echo oops >&2; exit 3"])
    assert (result.code, result.stderr) == (3, b"oops\n")


def test_a_silent_command_is_given_up(host: Host) -> None:
    with connect(host) as session, pytest.raises(CommandError, match="web1: sleep was silent"):
        session.run(["sleep", "20"], seconds=0.3)


def test_small_commands_do_not_wait_for_delayed_acknowledgements(host: Host) -> None:
    with connect(host) as session:
        assert session._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_unknown_host_key_is_refused(sshd: Sshd, host: Host) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(HostKeyError, match="unknown"):
        connect(host)


def test_a_changed_host_key_is_refused(sshd: Sshd, host: Host) -> None:
    sshd.stop()
    (sshd.folder / "host_key").unlink()
    keygen(sshd.folder / "host_key")
    sshd.start()
    with pytest.raises(HostKeyError, match="may be an attack"):
        connect(host)


def test_a_host_that_shows_another_kind_of_key_is_refused(sshd: Sshd, host: Host) -> None:
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} ecdsa-sha2-nistp256 AAAA\n")
    with pytest.raises(HostKeyError, match="kinds of key"):
        connect(host)


def test_a_key_that_the_host_does_not_accept_is_named(sshd: Sshd, host: Host) -> None:
    (sshd.folder / "authorized_keys").write_text("")
    with pytest.raises(LoginError, match=str(sshd.key)):
        connect(host)


def test_a_key_file_that_is_not_there_is_named(sshd: Sshd, host: Host) -> None:
    gone = dataclasses.replace(
        host, connection=dataclasses.replace(host.connection, key_file=sshd.folder / "none")
    )
    with pytest.raises(LoginError, match="none: No such file"):
        connect(gone)


def test_a_key_with_a_passphrase_says_what_to_do(sshd: Sshd, host: Host) -> None:
    keygen(sshd.folder / "locked", "-N", "secret phrase")
    locked = dataclasses.replace(
        host, connection=dataclasses.replace(host.connection, key_file=sshd.folder / "locked")
    )
    with pytest.raises(LoginError, match="passphrase: add it to ssh-agent") as caught:
        connect(locked)
    assert "secret" not in str(caught.value)


def test_a_closed_port_is_unreachable(sshd: Sshd, host: Host) -> None:
    sshd.stop()
    with pytest.raises(
        UnreachableError, match=f"web1: cannot connect to 127.0.0.1 port {sshd.port}: Connection refused"
    ):
        connect(host)


def test_a_port_that_says_nothing_is_given_up(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        there = dataclasses.replace(host, connection=dataclasses.replace(host.connection, port=port))
        with pytest.raises(UnreachableError, match="no SSH"):
            connect(there, seconds=0.5)


def test_closing_does_not_wait(host: Host) -> None:
    session = connect(host)
    began = time.monotonic()
    session.close()
    assert time.monotonic() - began < 5
    session._transport.join(1)  # its thread may have seen the end first, and be on its way out
    assert not session._transport.is_alive()


def test_a_cut_connection_is_noticed_while_a_command_runs(sshd: Sshd, host: Host) -> None:
    with connect(host) as session:
        threading.Timer(0.3, sshd.cut).start()
        result_or_error: object
        try:
            result_or_error = session.run(["sleep", "30"])
        except UnreachableError as error:
            result_or_error = error
    assert isinstance(result_or_error, UnreachableError)
