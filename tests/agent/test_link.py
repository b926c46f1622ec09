"""The link, spoken to as the controller does: a process, frames on its stdin and stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import agent
from agent import release
from agent.outputs import spool
from agent.wire import Decoder, Message, encode

REPOSITORY = Path(__file__).parents[2]


class Peer:
    """The controller's end of one link."""

    def __init__(self, root: Path) -> None:
        environment = {**os.environ, "TERCEL_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent.cli", "link"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        self._decoder = Decoder()
        self._inbox: list[tuple[Message, bytes]] = []
        self._number = 0

    def send(self, verb: str, blob: bytes = b"", **keys: Any) -> int:
        assert self.process.stdin is not None
        self._number += 1
        self.process.stdin.write(encode({"id": self._number, "do": verb, **keys}, blob))
        return self._number

    def ask(self, verb: str, blob: bytes = b"", **keys: Any) -> Message:
        number = self.send(verb, blob, **keys)
        return self.until(lambda message: message.get("re") == number)[0]

    def push(self) -> tuple[Message, list[dict[str, Any]]]:
        message, blob = self.until(lambda message: message.get("push") == "alerts")
        return message, [json.loads(line) for line in blob.splitlines()]

    def until(self, wanted: Any) -> tuple[Message, bytes]:
        while True:
            for index, (message, _) in enumerate(self._inbox):
                if wanted(message):
                    return self._inbox.pop(index)
            self._receive()

    def _receive(self) -> None:
        assert self.process.stdout is not None
        data = os.read(self.process.stdout.fileno(), 65536)
        assert data, "the link ended"
        self._inbox += self._decoder.feed(data)

    def quiet(self, seconds: float) -> bool:
        import select

        return not self._inbox and not select.select([self.process.stdout], [], [], seconds)[0]

    def hang_up(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    peer = Peer(tmp_path)
    yield peer
    peer.process.kill()
    peer.process.wait()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[spool.Writer]:
    writer = spool.Writer(tmp_path / "var/lib/tercel/spool")
    yield writer
    writer.close()


def archive(config: bytes = b"rules_files: []\n") -> tuple[str, bytes]:
    rules = b"- list: a\n  items: [b]\n"
    manifest = release.Manifest(
        number=1,
        created="2026-01-01T00:00:00Z",
        description="",
        rules=(release.ReleaseFile("rules/a.yaml", release.sha256(rules)),),
        playbooks=(),
        configs=tuple(sorted({release.sha256(config), release.sha256(b"other: 1\n")})),
    )
    return manifest.id, release.pack(manifest, {"rules/a.yaml": rules, "falco.yaml": config})


def test_hello_tells_versions_and_clock(peer: Peer) -> None:
    answer = peer.ask("hello", controller="0.1.0", protocol=1)
    assert answer["ok"]
    assert answer["agent_version"] == agent.__version__
    assert abs(answer["time_ns"] - time.time_ns()) < 60 * 10**9
    assert answer["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_another_protocol_is_refused(peer: Peer) -> None:
    assert peer.ask("hello", controller="9", protocol=99)["error"]["code"] == "wrong_protocol"


def test_an_unknown_verb_is_answered_and_the_link_goes_on(peer: Peer) -> None:
    assert peer.ask("dance")["error"]["code"] == "unknown_verb"
    assert peer.ask("hello", protocol=1)["ok"]


def test_a_request_that_makes_no_sense_is_answered_and_the_link_goes_on(peer: Peer) -> None:
    for keys in ({"release": 7}, {"release": "../../etc"}, {}):
        assert peer.ask("release.have", **keys)["error"]["code"] == "bad_request"
    assert peer.ask("alerts.stream", epoch="x", after=None, window=5)["error"]["code"] == "bad_request"
    assert peer.ask("alerts.stream", epoch="../../etc", after=1, window=5)["error"]["code"] == "bad_request"
    assert peer.ask("alerts.stream", epoch=None, after=0, window=0)["error"]["code"] == "bad_request"
    assert peer.ask("action.run", action=None)["error"]["code"] == "bad_request"
    assert peer.ask("hello", protocol=1)["ok"]


def test_end_of_file_ends_the_link_cleanly(peer: Peer) -> None:
    assert peer.ask("hello", protocol=1)["ok"]
    peer.send("alerts.stream", epoch=None, after=0, window=10)
    assert peer.hang_up() == 0


def test_a_peer_that_speaks_something_else_is_told_on_stderr(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "agent.cli", "link"],
        input=b"GET / HTTP/1.1\r\n\r\n",
        capture_output=True,
        env={**os.environ, "TERCEL_ROOT": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        check=False,
        timeout=20,
    )
    assert process.returncode == 1
    assert b"not a tercel peer" in process.stderr
    assert process.stdout == b""


def test_a_release_is_put_beside_and_then_present(peer: Peer, tmp_path: Path) -> None:
    name, blob = archive()
    assert peer.ask("release.have", release=name)["present"] is False
    assert peer.ask("release.put", blob, release=name)["release"] == name
    assert peer.ask("release.have", release=name)["present"] is True
    folder = tmp_path / "etc/tercel/releases" / name
    assert release.Manifest.from_json((folder / "manifest.json").read_bytes()).id == name
    assert (folder / "rules/a.yaml").stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_the_same_release_with_another_rendering_replaces_the_first(peer: Peer, tmp_path: Path) -> None:
    name, blob = archive()
    peer.ask("release.put", blob, release=name)
    manifest, files = release.unpack(blob)
    again = release.pack(manifest, {**files, "falco.yaml": b"other: 1\n"})
    assert peer.ask("release.put", again, release=name)["ok"]
    assert (tmp_path / "etc/tercel/releases" / name / "falco.yaml").read_bytes() == b"other: 1\n"


def test_an_archive_that_is_not_what_it_says_changes_nothing(peer: Peer, tmp_path: Path) -> None:
    name, blob = archive()
    assert peer.ask("release.put", blob[:-20], release=name)["error"]["code"] == "release_rejected"
    assert peer.ask("release.put", blob, release="1-000000000000")["error"]["code"] == "release_rejected"
    assert not (tmp_path / "etc/tercel/releases").exists()


def test_without_a_daemon_activation_is_refused_with_the_fix(peer: Peer) -> None:
    name, blob = archive()
    peer.ask("release.put", blob, release=name)
    error = peer.ask("release.activate", release=name)["error"]
    assert error["code"] == "no_engine"
    assert "tercel-agent start" in error["message"]


def test_status_without_a_daemon(peer: Peer) -> None:
    status = peer.ask("status")
    assert status["engine"] is None
    assert status["release"] is None
    assert status["spool"]["epoch"] is None


def test_alerts_are_streamed_as_they_are_written(peer: Peer, writer: spool.Writer) -> None:
    writer.append({"n": 1}, 5)
    started = peer.ask("alerts.stream", epoch=None, after=0, window=100)
    assert (started["epoch"], started["first"], started["last"]) == (writer.epoch, 1, 1)
    message, records = peer.push()
    assert (message["epoch"], message["first"], message["last"], message["count"]) == (writer.epoch, 1, 1, 1)
    assert records == [{"seq": 1, "epoch": writer.epoch, "n": 1}]
    writer.append({"n": 2}, 5)
    assert peer.push()[1][0]["n"] == 2


def test_no_more_than_the_window_is_in_flight(peer: Peer, writer: spool.Writer) -> None:
    for number in range(25):
        writer.append({"n": number}, 5)
    peer.ask("alerts.stream", epoch=None, after=0, window=10)
    message, _ = peer.push()
    assert message["last"] == 10
    assert peer.quiet(0.3)
    assert peer.ask("alerts.ack", epoch=writer.epoch, seq=10)["ok"]
    assert peer.push()[0]["last"] == 20


def test_a_stream_resumes_behind_what_the_controller_has(peer: Peer, writer: spool.Writer) -> None:
    for number in range(5):
        writer.append({"n": number}, 5)
    peer.ask("alerts.stream", epoch=writer.epoch, after=3, window=10)
    assert [record["seq"] for record in peer.push()[1]] == [4, 5]


def test_a_stream_goes_on_into_the_epoch_of_the_next_daemon(peer: Peer, tmp_path: Path) -> None:
    first = spool.Writer(tmp_path / "var/lib/tercel/spool")
    first.append({"n": 1}, 5)
    peer.ask("alerts.stream", epoch=None, after=0, window=10)
    assert peer.push()[0]["epoch"] == first.epoch
    first.close()
    second = spool.Writer(tmp_path / "var/lib/tercel/spool")
    second.append({"n": 2}, 5)
    assert peer.push()[0]["epoch"] == second.epoch
    second.close()


def test_what_was_never_written_cannot_be_acknowledged(peer: Peer, writer: spool.Writer) -> None:
    writer.append({}, 5)
    assert peer.ask("alerts.ack", epoch=writer.epoch, seq=1000)["error"]["code"] == "bad_ack"
    assert peer.ask("alerts.ack", epoch="000007-0123456789ab", seq=0)["error"]["code"] == "bad_ack"
    assert peer.ask("alerts.ack", epoch="../x", seq=0)["error"]["code"] == "bad_request"


def test_a_link_that_came_before_the_spool_streams_it(peer: Peer, tmp_path: Path) -> None:
    peer.ask("alerts.stream", epoch=None, after=0, window=10)
    writer = spool.Writer(tmp_path / "var/lib/tercel/spool")
    writer.append({"n": 1}, 5)
    assert peer.push()[1][0]["n"] == 1
    writer.close()
