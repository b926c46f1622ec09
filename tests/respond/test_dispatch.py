"""From a stored alert to the end of an action, through cut links and killed controllers."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from agent.respond.request import Request
from agent.respond.runner import Runner
from agent.wire import Message
from controller.errors import LinkError
from controller.respond import dispatch
from controller.respond.dispatch import Dispatcher
from controller.respond.plan import Book, Planner
from controller.respond.playbook import load
from controller.respond.source import PlaybookFile
from controller.store import Store, actions, alerts
from controller.store.actions import Action, NewAction
from controller.store.alerts import SpoolRecord
from responders.system import Linux

from .helpers import Json, Spawn, subject_of

PLAYBOOK = """
- rule: Kill it
  mode: {mode}
  match: {{rules: [Read shadow]}}
  actions:
    - {{action: K, actionner: kill_process, continue: {go_on}, ignore_errors: {ignore}}}
    - {{action: L, actionner: kill_process, parameters: {{signal: SIGTERM}}}}
"""


class FakeLink:
    """A link to the real runner of this host. It can lose requests and answers."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.lose_requests = self.lose_answers = False
        self.requests: list[Json] = []

    def request(self, do: str, _blob: bytes = b"", **fields: Any) -> Future[tuple[Message, bytes]]:
        future: Future[tuple[Message, bytes]] = Future()
        if do == "action.get":
            future.set_result((self._runner.get(fields["key"]), b""))
            return future
        assert do == "action.run"
        self.requests.append(fields["action"])
        if self.lose_requests:
            future.set_exception(LinkError("web1", "cut"))
        else:
            threading.Thread(target=self._run, args=(fields["action"], future)).start()
        return future

    def _run(self, action: Json, future: Future[tuple[Message, bytes]]) -> None:
        answer = self._runner.run(Request.parse(action))
        if self.lose_answers:
            future.set_exception(LinkError("web1", "cut"))
        else:
            future.set_result((answer, b""))


@pytest.fixture
def link(runner: Runner) -> FakeLink:
    return FakeLink(runner)


def _book(mode: str = "enforce", go_on: str = "false", ignore: str = "false") -> Book:
    text = PLAYBOOK.format(mode=mode, go_on=go_on, ignore=ignore)
    rules = load([PlaybookFile("p.yaml", text.encode())]).rules
    assert rules is not None
    return lambda _release: rules


Started = Callable[..., Dispatcher]


@pytest.fixture
def start(store: Store) -> Iterator[Started]:
    running: list[Dispatcher] = []
    failures: list[Exception] = []

    def make(book: Book) -> Dispatcher:
        running.append(Dispatcher(store, book, failures.append))
        return running[-1]

    yield make
    for one in running:
        one.close()
    assert failures == []


def _alert(store: Store, pid: int, book: Book, seq: int = 1, **changes: Any) -> list[NewAction]:
    system = Linux()
    process = system.facts(pid)
    assert process is not None
    line = {"rule": "Read shadow", "priority": "Warning", **changes}
    record = SpoolRecord(
        host="web1",
        epoch="e",
        seq=seq,
        release="1-abc",
        digest="d",
        line=line,
        subject=subject_of(process, system.ticks_per_second),
        event_ns=1,
        matched_ns=2,
        spooled_ns=3,
        received_ns=4,
    )
    with store.write() as tx:
        stored = alerts.add(tx, [record], stored_ns=5)
        return Planner(book).plan(tx, stored, ["web"], 6)


def _stored(store: Store) -> list[Action]:
    with store.read() as tx:
        return actions.latest(tx)


def _states(action: Action) -> list[str]:
    return [transition.state for transition in action.transitions]


def test_an_alert_leads_to_a_killed_process_and_a_timeline(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes]
) -> None:
    book = _book()
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    dispatcher.send(_alert(store, victim.pid, book))
    dispatcher.close()
    (action,) = _stored(store)
    assert _states(action) == ["planned", "sent", "done"]
    assert [one.who for one in action.transitions] == ["playbook", "controller", "web1"]
    times = [one.at_ns for one in action.transitions]
    assert times == sorted(times)
    assert action.result is not None
    assert action.result["killed"] == [victim.pid]
    assert victim.wait(1) == -9


def test_shadow_mode_writes_every_step_down_and_sends_nothing(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes]
) -> None:
    book = _book("shadow", go_on="true")
    dispatcher = start(book)
    wanted = _alert(store, victim.pid, book)
    dispatcher.attach("web1", link)
    dispatcher.close()
    assert wanted == []
    assert link.requests == []
    assert [(one.decided.mode, one.state) for one in _stored(store)] == [("shadow", "planned")] * 2
    assert victim.poll() is None


def test_an_alert_that_is_stored_twice_is_answered_once(
    store: Store, victim: subprocess.Popen[bytes]
) -> None:
    book = _book()
    assert len(_alert(store, victim.pid, book)) == 1
    assert _alert(store, victim.pid, book) == []


def test_steps_follow_one_another(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes]
) -> None:
    book = _book(go_on="true")
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    dispatcher.send(_alert(store, victim.pid, book))
    _wait(lambda: [one.state for one in _stored(store)] == ["done", "done"])
    first, second = _stored(store)
    assert second.transitions[0].at_ns == first.transitions[-1].at_ns
    assert second.result is not None
    assert second.result["already_gone"] is True


@pytest.mark.parametrize(("ignore", "ends"), [("false", ["refused"]), ("true", ["refused", "refused"])])
def test_a_step_that_fails_ends_the_rule_unless_errors_are_ignored(
    store: Store, start: Started, link: FakeLink, ignore: str, ends: list[str]
) -> None:
    book = _book(go_on="true", ignore=ignore)
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    dispatcher.send(_alert(store, 1, book))
    _wait(lambda: [one.state for one in _stored(store)] == ends)
    assert "protected: it is init" in _stored(store)[0].transitions[-1].why


def test_an_action_for_a_host_that_is_away_waits_for_it(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes]
) -> None:
    book = _book()
    dispatcher = start(book)
    dispatcher.send(_alert(store, victim.pid, book))
    assert [one.state for one in _stored(store)] == ["planned"]
    dispatcher.attach("web1", link)
    _wait(lambda: _stored(store)[0].state == "done")


@pytest.mark.parametrize("lost", ["lose_requests", "lose_answers"])
def test_a_cut_link_neither_loses_nor_repeats_an_action(
    store: Store, start: Started, runner: Runner, victim: subprocess.Popen[bytes], lost: str
) -> None:
    book, cut, whole = _book(), FakeLink(runner), FakeLink(runner)
    setattr(cut, lost, True)
    dispatcher = start(book)
    dispatcher.attach("web1", cut)
    dispatcher.send(_alert(store, victim.pid, book))
    _wait(lambda: _stored(store)[0].state == "sent")
    dispatcher.detach("web1", cut)
    dispatcher.attach("web1", whole)
    _wait(lambda: _stored(store)[0].state == "done")
    (action,) = _stored(store)
    assert _states(action) == ["planned", "sent", "done"]
    assert action.result is not None
    assert action.result["killed"] == [victim.pid]
    assert victim.wait(1) == -9


def test_a_controller_that_dies_after_sending_learns_the_end_at_its_next_start(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes]
) -> None:
    book = _book()
    (wanted,) = _alert(store, victim.pid, book)
    link.request("action.run", action=_message(wanted)).result(5)  # and the answer was never stored
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    _wait(lambda: _stored(store)[0].state == "done")
    result = _stored(store)[0].result
    assert result is not None
    assert result["killed"] == [victim.pid]  # not "already gone": it is the first run's result


def test_an_answer_that_is_none_is_a_failure_and_stored(
    store: Store, start: Started, victim: subprocess.Popen[bytes]
) -> None:
    class Liar:
        def request(self, _do: str, _blob: bytes = b"", **_fields: Any) -> Future[tuple[Message, bytes]]:
            future: Future[tuple[Message, bytes]] = Future()
            future.set_result(({"key": "another", "state": "done", "result": {}}, b""))
            return future

    book = _book()
    dispatcher = start(book)
    dispatcher.attach("web1", Liar())
    dispatcher.send(_alert(store, victim.pid, book))
    _wait(lambda: _stored(store)[0].state == "failed")
    assert victim.poll() is None


def test_many_alerts_at_once_each_have_their_action(
    store: Store, start: Started, link: FakeLink, spawn: Spawn
) -> None:
    book = _book()
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    victims = [spawn() for _ in range(10)]
    for seq, victim in enumerate(victims, 1):
        dispatcher.send(_alert(store, victim.pid, book, seq))
    _wait(lambda: [one.state for one in _stored(store)] == ["done"] * 10)
    assert [victim.wait(1) for victim in victims] == [-9] * 10


SUSPEND = """
- rule: Hold it
  mode: enforce
  match: {rules: [Read shadow]}
  actions: [{action: S, actionner: suspend_process, parameters: {ttl: 0.3}}]
"""


@pytest.mark.parametrize("heard", [True, False])
def test_what_the_host_undoes_by_itself_is_learned(
    store: Store,
    start: Started,
    runner: Runner,
    victim: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    *,
    heard: bool,
) -> None:
    link = FakeLink(runner)
    monkeypatch.setattr(dispatch, "ASK_SECONDS", 0.1)
    rules = load([PlaybookFile("p.yaml", SUSPEND.encode())]).rules
    assert rules is not None
    dispatcher = start(lambda _release: rules)
    wanted = _alert(store, victim.pid, lambda _release: rules)
    link.lose_answers = not heard  # then the first that is heard of it is that it was undone
    dispatcher.attach("web1", link)
    dispatcher.send(wanted)
    _wait(lambda: _stored(store)[0].state == ("done" if heard else "sent"))
    time.sleep(0.35)
    runner.undo_expired()
    link.lose_answers = False
    dispatcher.attach("web1", link)
    _wait(lambda: _stored(store)[0].state == "undone")
    (action,) = _stored(store)
    assert _states(action) == ["planned", "sent", "done", "undone"]
    assert action.transitions[-1].why == "its time to live is over"
    assert action.result is not None
    assert action.result["undo"]["resumed"] == [victim.pid]


def test_hostile_text_in_an_alert_is_stored_and_sent_as_it_is(
    store: Store, start: Started, link: FakeLink, victim: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    nasty = f"$(touch {tmp_path}/pwned)`touch {tmp_path}/pwned`\n\x1b[2J" + "x" * 65536
    book = _book()
    dispatcher = start(book)
    dispatcher.attach("web1", link)
    dispatcher.send(_alert(store, victim.pid, book, output_fields={"proc.name": nasty}, tags=[nasty]))
    _wait(lambda: _stored(store)[0].state == "done")
    assert not (tmp_path / "pwned").exists()


def _message(action: NewAction) -> Json:
    from controller.respond.plan import message

    return message(action)


def _wait(condition: Callable[[], bool], seconds: float = 5) -> None:
    done = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        done.wait(0.01)
    raise AssertionError("it did not come about")
