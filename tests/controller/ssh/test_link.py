from __future__ import annotations

import threading
from typing import Any

import pytest
from peer import Peer

from agent.wire import Message
from controller.errors import LinkError, RefusedError
from controller.ssh import Link


def test_an_answer_comes_with_its_blob() -> None:
    peer = Peer(status=lambda message, blob: {"engine": None, "size": len(blob), "asked": message["what"]})
    answer, _ = Link("web1", peer.channel).call("status", b"abc", what="x")
    assert (answer["size"], answer["asked"]) == (3, "x")


def test_answers_may_come_in_any_order() -> None:
    held: list[int] = []

    def hold(message: Message, _blob: bytes) -> None:
        held.append(message["id"])

    peer = Peer(slow=hold, quick=lambda _m, _b: {})
    link = Link("web1", peer.channel)
    slow = link.request("slow")
    link.call("quick", seconds=5)
    assert not slow.done()
    peer.send({"re": held[0], "ok": True, "late": 1})
    assert slow.result(5)[0]["late"] == 1


def test_a_refusal_carries_code_and_details() -> None:
    def refuse(message: Message, _blob: bytes) -> None:
        error = {"code": "release_rejected", "message": "does not load", "details": {"diagnostics": [1]}}
        peer.send({"re": message["id"], "ok": False, "error": error})

    peer = Peer(activate=refuse)
    with pytest.raises(RefusedError, match=r"web1: does not load \[release_rejected\]") as caught:
        Link("web1", peer.channel).call("activate")
    assert caught.value.details == {"diagnostics": [1]}


def test_pushes_come_in_order_with_their_blobs() -> None:
    got: list[tuple[Any, bytes]] = []
    enough = threading.Event()

    def take(message: Message, blob: bytes) -> None:
        got.append((message["first"], blob))
        if len(got) == 3:
            enough.set()

    peer = Peer()
    Link("web1", peer.channel, take)
    for number in range(3):
        peer.send({"push": "alerts", "first": number}, b"x" * number)
    assert enough.wait(5)
    assert got == [(0, b""), (1, b"x"), (2, b"xx")]


def test_what_is_pending_fails_when_the_link_breaks() -> None:
    peer = Peer(slow=lambda _m, _b: None)
    ended = threading.Event()
    link = Link("web1", peer.channel, on_end=ended.set)
    pending = link.request("slow")
    peer.hang_up()
    with pytest.raises(LinkError, match=r"web1: its agent ended the link"):
        pending.result(5)
    assert ended.wait(5)
    with pytest.raises(LinkError):
        link.request("status")


def test_an_agent_that_cannot_start_is_quoted_without_its_escape_codes() -> None:
    peer = Peer(stderr=b"sh: \x1b[31mtercel-agent: not found\n")
    ended = threading.Event()
    link = Link("web1", peer.channel, on_end=ended.set)
    peer.hang_up()
    assert ended.wait(5)
    assert str(link.error) == r"web1: its agent ended the link: sh: \x1b[31mtercel-agent: not found"


def test_a_peer_that_speaks_no_frames_ends_the_link() -> None:
    peer = Peer()
    ended = threading.Event()
    link = Link("web1", peer.channel, on_end=ended.set)
    peer.send_raw(b"Welcome to web1!\r\n")
    assert ended.wait(5)
    assert "cannot be read" in str(link.error)


def test_no_answer_in_time_is_an_error_that_names_the_request() -> None:
    peer = Peer(slow=lambda _m, _b: None)
    with pytest.raises(LinkError, match=r"did not answer slow within 0\.1 s"):
        Link("web1", peer.channel).call("slow", seconds=0.1)


def test_many_threads_share_one_link() -> None:
    peer = Peer(echo=lambda message, _b: {"value": message["value"]})
    link = Link("web1", peer.channel)
    wrong: list[int] = []

    def ask(value: int) -> None:
        answers = [link.call("echo", value=value)[0]["value"] for _ in range(20)]
        wrong.extend(answer for answer in answers if answer != value)

    threads = [threading.Thread(target=ask, args=(value,)) for value in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(peer.requests) == 160
