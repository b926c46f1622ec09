from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from peer import Peer

from agent.release import Manifest, ReleaseFile, Signature, sha256, unpack
from agent.wire import Message
from controller.errors import HostError, RefusedError
from controller.home import Home
from controller.push import deliver
from controller.release.shelf import Contents
from controller.signing import Signer
from controller.ssh import Link

RULES, CONFIG = b"- list: a\n  items: [x]\n", b"json_output: true\n"
DIGEST = sha256(CONFIG)
SIGNATURE = Signature("a" * 64, "b" * 128)


@pytest.fixture
def contents() -> Contents:
    files = (ReleaseFile("rules/001-a.yaml", sha256(RULES)),)
    return Contents(
        Manifest(1, "now", "", files, (), (DIGEST,)),
        {"rules/001-a.yaml": RULES},
        {DIGEST: CONFIG},
        SIGNATURE,
    )


class Agent:
    """Answers as an agent does, and remembers what it was given."""

    def __init__(
        self, *, engine: dict[str, Any] | None = None, loads: str | None = None, present: bool = False
    ) -> None:
        self.put: list[bytes] = []
        self.engine, self.loads, self.present = engine, loads, present
        self.peer = Peer(
            **{
                "status": lambda _m, _b: {
                    "release": (self.engine or {}).get("release"),
                    "engine": self.engine,
                },
                "release.have": lambda _m, _b: {"present": self.present},
                "release.put": self._put,
                "release.activate": lambda _m, _b: {"digest": self.loads, "previous": None},
            }
        )
        self.link = Link("web1", self.peer.channel)

    def _put(self, message: Message, blob: bytes) -> Message:
        self.put.append(blob)
        return {"release": message["release"]}


def test_a_new_release_is_put_and_activated(contents: Contents) -> None:
    agent = Agent(loads=contents.digest(DIGEST))
    assert deliver(agent.link, contents, DIGEST) == (True, contents.digest(DIGEST))
    manifest, files = unpack(agent.put[0])
    assert (manifest.id, files["falco.yaml"]) == (contents.manifest.id, CONFIG)


def test_a_release_that_is_there_already_is_not_sent_again(contents: Contents) -> None:
    agent = Agent(loads=contents.digest(DIGEST), present=True)
    deliver(agent.link, contents, DIGEST)
    assert agent.put == []


def test_a_host_whose_engine_runs_it_is_left_alone(contents: Contents) -> None:
    agent = Agent(engine={"release": contents.manifest.id, "digest": contents.digest(DIGEST)})
    assert deliver(agent.link, contents, DIGEST) == (False, contents.digest(DIGEST))
    assert [request["do"] for request in agent.peer.requests] == ["status", "release.have"]


def test_an_engine_that_loaded_something_else_is_a_failure(contents: Contents) -> None:
    agent = Agent(loads="f" * 64)
    with pytest.raises(HostError, match="web1: its engine loaded ffffffffffff"):
        deliver(agent.link, contents, DIGEST)


def test_a_copy_on_the_host_is_not_believed_while_the_engine_runs_another(contents: Contents) -> None:
    agent = Agent(engine={"release": contents.manifest.id, "digest": "0" * 64}, loads=contents.digest(DIGEST))
    changed, _ = deliver(agent.link, contents, DIGEST)
    assert changed


def test_a_rejection_is_told_with_its_diagnostics(contents: Contents) -> None:
    agent = Agent()

    def reject(message: Message, _blob: bytes) -> None:
        error = {
            "code": "release_rejected",
            "message": "does not load",
            "details": {"diagnostics": ["x:1:1: bad"]},
        }
        agent.peer.send({"re": message["id"], "ok": False, "error": error})

    agent.peer._handlers["release.activate"] = reject
    with pytest.raises(RefusedError, match="does not load") as caught:
        deliver(agent.link, contents, DIGEST)
    assert caught.value.details == {"diagnostics": ["x:1:1: bad"]}


def test_rules_and_playbooks_keep_their_names(tmp_path: Path) -> None:
    from agent.language import RulesFile
    from controller.release.build import _named

    names = list(
        _named([RulesFile(str(tmp_path / "a b;c.yml"), b"x"), RulesFile("a b;c.yaml", b"y")], "rules")
    )
    assert names == ["rules/001-a_b_c.yaml", "rules/002-a_b_c.yaml"]


def overtaken(agent: Agent, contents: Contents) -> None:
    """Make the agent refuse the release as too old unless it is given a word."""

    def activate(message: Message, _blob: bytes) -> Message | None:
        if "word" in message:
            return {"digest": contents.digest(DIGEST), "previous": None}
        error = {"code": "release_too_old", "message": "release 1 is older than 4", "details": {"counter": 4}}
        agent.peer.send({"re": message["id"], "ok": False, "error": error})
        return None

    agent.peer._handlers["release.activate"] = activate


def test_going_back_takes_the_controllers_word(contents: Contents, home: Home) -> None:
    agent = Agent()
    overtaken(agent, contents)
    with pytest.raises(HostError, match=r"release 1 is older than 4.*: name the release to go back to it"):
        deliver(agent.link, contents, DIGEST)
    signer = Signer.open(home)
    assert deliver(agent.link, contents, DIGEST, signer) == (True, contents.digest(DIGEST))
    assert agent.peer.requests[-1]["word"] == signer.allow_older(contents.manifest.id, 4).to_bytes().decode()
