"""Threshold, dedup and budget of a playbook's rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from controller.respond.plan import Book, Planner
from controller.respond.playbook import load
from controller.respond.source import PlaybookFile
from controller.store import Store, actions, alerts
from controller.store.alerts import SpoolRecord

RULE = """
- rule: R
  mode: {mode}
  match: {{rules: [Read shadow]}}
  {limits}
  actions: [{{action: K, actionner: kill_process}}]
"""
SECOND = 10**9


class Site:
    """A store, a planner, and alerts that come at times of the test's choice."""

    def __init__(self, store: Store, limits: str, mode: str = "enforce") -> None:
        rules = load([PlaybookFile("p", RULE.format(limits=limits, mode=mode).encode())]).rules
        assert rules is not None
        self.store = store
        self.book: Book = lambda _release: rules
        self.planner = Planner(self.book)
        self._seq = itertools.count(1)

    def restart(self) -> None:
        self.planner = Planner(self.book)

    def alert(self, at: float, pid: int = 1, host: str = "web1", **fields: Any) -> bool:
        """Whether an alert at ``at`` (seconds) leads to an action that is sent."""
        return bool(self.alerts(self._record(at, pid, host, fields)))

    def burst(self, pids: Iterable[int]) -> int:
        """How many of alerts at one time lead to an action that is sent."""
        return self.alerts(*(self._record(100, pid, "web1", {}) for pid in pids))

    def alerts(self, *records: SpoolRecord) -> int:
        with self.store.write() as tx:
            stored = alerts.add(tx, records, stored_ns=records[0].event_ns)
            return len(self.planner.plan(tx, stored, [], records[0].event_ns))

    def _record(self, at: float, pid: int, host: str, fields: dict[str, Any]) -> SpoolRecord:
        at_ns = int(at * SECOND)
        return SpoolRecord(
            host=host,
            epoch="e",
            seq=next(self._seq),
            release=None,
            digest=None,
            line={"rule": "Read shadow", "output_fields": fields},
            subject={"ns_pid": pid, "start_ns": pid},
            event_ns=at_ns,
            matched_ns=None,
            spooled_ns=None,
            received_ns=at_ns,
        )

    def states(self) -> list[str]:
        with self.store.read() as tx:
            return [one.state for one in actions.latest(tx)]


def test_without_limits_every_alert_is_acted_on(store: Store) -> None:
    site = Site(store, "")
    assert [site.alert(at) for at in (1, 1, 1)] == [True, True, True]


def test_threshold_waits_for_so_many_alerts_in_so_much_time_on_one_host(store: Store) -> None:
    site = Site(store, "threshold: {alerts: 3, seconds: 10}")
    assert [site.alert(at) for at in (100, 101)] == [False, False]
    assert not site.alert(102, host="web2")
    assert site.alert(103)
    assert site.alert(104)
    assert not site.alert(200)


def test_threshold_remembers_across_a_restart(store: Store) -> None:
    site = Site(store, "threshold: {alerts: 3, seconds: 10}")
    site.alert(100)
    site.alert(101)
    site.restart()
    assert site.alert(102)


def test_dedup_acts_once_on_a_process_within_its_time(store: Store) -> None:
    site = Site(store, "dedup: {seconds: 60}")
    assert site.alert(100, pid=7)
    assert not site.alert(130, pid=7)
    assert site.alert(131, pid=8)
    assert site.alert(132, pid=7, host="web2")
    assert site.alert(161, pid=7)


def test_dedup_by_fields_of_the_alert(store: Store) -> None:
    site = Site(store, "dedup: {seconds: 60, key: [proc.exepath]}")
    assert site.alert(100, pid=1, **{"proc.exepath": "/tmp/a"})
    assert not site.alert(101, pid=2, **{"proc.exepath": "/tmp/a"})
    assert site.alert(102, pid=3, **{"proc.exepath": "/tmp/b"})


def test_dedup_remembers_across_a_restart(store: Store) -> None:
    site = Site(store, "dedup: {seconds: 60}")
    site.alert(100, pid=7)
    site.restart()
    assert not site.alert(130, pid=7)
    assert site.alert(161, pid=7)


@pytest.mark.parametrize("restart", [False, True])
def test_budget_refuses_what_goes_beyond_it_and_says_so(store: Store, *, restart: bool) -> None:
    site = Site(store, "budget: {host: 2, fleet: 3, seconds: 60}")
    assert site.alert(100, pid=1)
    assert site.alert(101, pid=2)
    if restart:
        site.restart()
    assert not site.alert(102, pid=3)
    assert site.alert(103, pid=4, host="web2")
    assert not site.alert(104, pid=5, host="web3")
    assert site.states() == ["planned", "planned", "refused", "planned", "refused"]
    with store.read() as tx:
        reasons = [one.transitions[-1].why for one in actions.latest(tx, state="refused")]
    assert reasons == [
        "the rule's budget is spent: 2 times on this host within 60 s",
        "the rule's budget is spent: 3 times in the fleet within 60 s",
    ]
    assert site.alert(170, pid=6)


def test_limits_count_in_shadow_mode_too(store: Store) -> None:
    site = Site(store, "dedup: {seconds: 60}", mode="shadow")
    assert not site.alert(100, pid=7)
    assert not site.alert(101, pid=7)
    assert site.states() == ["planned"]


def test_a_transaction_that_fails_is_repeated_with_the_same_outcome(store: Store) -> None:
    site = Site(
        store, "threshold: {alerts: 2, seconds: 60}\n  dedup: {seconds: 60}\n  budget: {host: 1, seconds: 60}"
    )
    site.alert(100, pid=7)
    record = site._record(101, 7, "web1", {})
    with pytest.raises(RuntimeError):
        _fail(site, record)
    assert site.states() == []
    assert site.alerts(record) == 1
    assert site.states() == ["planned"]


def _fail(site: Site, record: SpoolRecord) -> None:
    with site.store.write() as tx:
        assert site.planner.plan(tx, alerts.add(tx, [record], stored_ns=1), [], 101 * SECOND)
        raise RuntimeError


def test_a_burst_of_a_thousand_alerts_ends_in_the_right_number_of_actions(store: Store) -> None:
    site = Site(store, "dedup: {seconds: 600}\n  budget: {host: 20, seconds: 600}")
    assert site.burst(number % 40 for number in range(1000)) == 20
    assert site.states() == ["planned"] * 20 + ["refused"] * 20


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("threshold: {alerts: 0, seconds: 1}", "alerts cannot be '0'"),
        ("threshold: {seconds: 1}", "alerts is missing"),
        ("dedup: {secs: 1}", "unknown key secs: did you mean seconds?"),
        ("budget: {host: many, seconds: 1}", "host cannot be 'many'"),
    ],
)
def test_limits_that_are_wrong_are_told(limits: str, message: str) -> None:
    problems = load([PlaybookFile("p", RULE.format(limits=limits, mode="shadow").encode())]).problems
    assert any(message in str(problem) for problem in problems), list(map(str, problems))
