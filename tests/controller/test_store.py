from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import StoreError
from controller.home import Home
from controller.store import Store, actions, alerts, hosts, models, releases


def record(seq: int, *, host: str = "web1", epoch: str = "e1", **line: Any) -> alerts.SpoolRecord:
    line = {"rule": "R", "priority": "Warning", "output": "x", **line}
    return alerts.SpoolRecord(host, epoch, seq, "1-ab", "d", line, {"pid": 7}, 100 + seq, 110, 120, 130)


def new_action(key: str = "k1", **changes: Any) -> actions.NewAction:
    values = {
        "key": key, "host": "web1", "epoch": "e1", "seq": 1, "alert_rule": "R", "playbook": "p.yaml",
        "rule": "stop it", "mode": "enforce", "responder": "kill_process",
        "parameters": {"tree": False}, "target": {"pid": 7},
    }  # fmt: skip
    return actions.NewAction(**{**values, **changes})


def test_the_models_and_the_newest_migration_describe_the_same_tables(home: Home) -> None:
    with Store.open(home) as store, store.read() as tx:
        context = MigrationContext.configure(tx.connection())
        assert context.get_current_revision() == models.HEAD
        assert compare_metadata(context, models.Base.metadata) == []


def test_a_store_that_is_not_a_database_gives_an_error_that_names_it(home: Home) -> None:
    home.database.write_bytes(b"no database " * 100)
    with pytest.raises(StoreError, match=r"tercel\.db"):
        Store.open(home)


def test_a_store_of_a_newer_version_is_refused(home: Home) -> None:
    Store.open(home).close()
    with sqlite3.connect(home.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="newer tercel"):
        Store.open(home)


def test_only_its_owner_can_read_the_store(home: Home) -> None:
    Store.open(home).close()
    assert home.path.stat().st_mode & 0o077 == 0
    assert home.database.stat().st_mode & 0o077 == 0


def test_an_alert_is_stored_once_however_often_it_comes(store: Store) -> None:
    with store.write() as tx:
        assert [a.record.seq for a in alerts.add(tx, [record(1), record(2)], stored_ns=1)] == [1, 2]
    with store.write() as tx:
        assert [a.record.seq for a in alerts.add(tx, [record(1), record(2), record(3)], stored_ns=2)] == [3]
    with store.read() as tx:
        assert [a.record.seq for a in alerts.find(tx, alerts.Filter())] == [1, 2, 3]
        assert alerts.newest_epoch(tx, "web1") == ("e1", 3)


def test_the_same_numbers_under_another_epoch_or_host_are_other_alerts(store: Store) -> None:
    with store.write() as tx:
        added = alerts.add(tx, [record(1), record(1, epoch="e2"), record(1, host="db1")], stored_ns=1)
    assert len(added) == 3


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=12))
def test_any_series_of_resumed_streams_stores_each_record_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]]
) -> None:
    store = Store.open(Home.open_at(tmp_path_factory.mktemp("home")))
    with store:
        for back, count in cuts:
            with store.write() as tx:
                _, last = alerts.newest_epoch(tx, "web1") or ("e1", 0)
                start = max(1, last + 1 - back)
                alerts.add(tx, [record(seq) for seq in range(start, start + count)], stored_ns=1)
        with store.read() as tx:
            stored = [a.record.seq for a in alerts.find(tx, alerts.Filter())]
    assert stored == list(range(1, len(stored) + 1))


def test_the_newest_epoch_is_the_one_that_streamed_last(store: Store) -> None:
    with store.write() as tx:
        alerts.add(tx, [record(5)], stored_ns=1)
        alerts.add(tx, [record(6), record(2, epoch="e2")], stored_ns=2)
        assert alerts.newest_epoch(tx, "web1") == ("e2", 2)
        assert alerts.newest_epoch(tx, "db1") is None


def test_alerts_are_found_by_host_rule_priority_and_time(store: Store) -> None:
    with store.write() as tx:
        alerts.add(
            tx,
            [record(1, priority="Debug"), record(2, rule="S", priority="critical"), record(3, host="db1")],
            stored_ns=1,
        )

        def seqs(**wanted: Any) -> list[int]:
            return [a.record.seq for a in alerts.find(tx, alerts.Filter(**wanted))]

        assert seqs(host="db1") == [3]
        assert seqs(rule="S") == [2]
        assert seqs(priority="Warning") == [2, 3]
        assert seqs(since_ns=102) == [2, 3]
        assert [a.record.seq for a in alerts.find(tx, alerts.Filter(), limit=2)] == [2, 3]


def test_an_alert_as_json_is_falcos_line_and_a_tercel_object() -> None:
    value = alerts.StoredAlert(1, record(4), 140).to_json()
    assert {key: value[key] for key in ("rule", "priority", "output")} == {
        "rule": "R",
        "priority": "Warning",
        "output": "x",
    }
    assert value["tercel"]["seq"] == 4
    assert value["tercel"]["stored_ns"] == 140


def test_text_that_is_no_unicode_is_stored_as_it_came(store: Store) -> None:
    hostile = "\udcff\x00\x1b[31m" + "A" * 70_000
    with store.write() as tx:
        alerts.add(tx, [record(1, output=hostile)], stored_ns=1)
    with store.read() as tx:
        assert alerts.find(tx, alerts.Filter())[0].record.line["output"] == hostile


def test_an_action_is_planned_once_per_key(store: Store) -> None:
    with store.write() as tx:
        assert actions.plan(tx, new_action(), at_ns=1, who="playbook", why="matched")
        assert not actions.plan(tx, new_action(responder="other"), at_ns=2, who="playbook", why="again")
        found = actions.get(tx, "k1")
    assert found is not None
    assert (found.state, found.decided.responder, len(found.transitions)) == ("planned", "kill_process", 1)


def test_an_action_keeps_who_when_and_why_of_each_change(store: Store) -> None:
    with store.write() as tx:
        actions.plan(tx, new_action(), at_ns=1, who="playbook", why="matched")
        actions.move(tx, "k1", actions.Transition("sent", 2, "run", ""))
        actions.move(tx, "k1", actions.Transition("done", 3, "web1", "gone"), {"signal": 9})
    with store.read() as tx:
        found = actions.get(tx, "k1")
    assert found is not None
    assert [(t.state, t.at_ns, t.who) for t in found.transitions] == [
        ("planned", 1, "playbook"),
        ("sent", 2, "run"),
        ("done", 3, "web1"),
    ]
    assert found.result == {"signal": 9}


def test_an_action_that_ended_cannot_be_sent_again(store: Store) -> None:
    with store.write() as tx:
        actions.plan(tx, new_action(), at_ns=1, who="playbook", why="")
        actions.move(tx, "k1", actions.Transition("sent", 2, "run", ""))
        actions.move(tx, "k1", actions.Transition("done", 3, "web1", ""))
        with pytest.raises(StoreError, match="is done and cannot become sent"):
            actions.move(tx, "k1", actions.Transition("sent", 4, "run", ""))


def test_unfinished_actions_are_those_to_enforce_that_have_not_ended(store: Store) -> None:
    with store.write() as tx:
        actions.plan(tx, new_action("a"), at_ns=1, who="p", why="")
        actions.plan(tx, new_action("b", mode="shadow"), at_ns=1, who="p", why="")
        actions.plan(tx, new_action("c", host="db1"), at_ns=1, who="p", why="")
        actions.plan(tx, new_action("d"), at_ns=1, who="p", why="")
        actions.move(tx, "d", actions.Transition("refused", 2, "web1", "protected"))
        assert [a.key for a in actions.unfinished(tx, "web1")] == ["a"]
        assert [a.key for a in actions.unfinished(tx)] == ["a", "c"]


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            alerts.add(tx, [record(1)], stored_ns=1)
            actions.plan(tx, new_action(), at_ns=1, who="p", why="")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.read() as tx:
        assert alerts.newest_id(tx) == 0
        assert actions.latest(tx) == []


def _store_until_killed(home: Home, first: int, told: Any) -> None:
    with Store.open(home) as store:
        for seq in range(first, first + 10_000):
            with store.write() as tx:
                alerts.add(tx, [record(seq)], stored_ns=1)
            told.send(seq)


def test_what_was_committed_survives_kill_9(home: Home) -> None:
    Store.open(home).close()
    committed = 0
    for _ in range(3):
        mine, theirs = multiprocessing.Pipe(duplex=False)
        child = multiprocessing.Process(target=_store_until_killed, args=(home, committed + 1, theirs))
        child.start()
        while committed % 5 != 4:
            committed = mine.recv()
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        while mine.poll():
            committed = mine.recv()
        with Store.open(home) as store, store.read() as tx:
            stored = [a.record.seq for a in alerts.find(tx, alerts.Filter())]
        assert stored == list(range(1, len(stored) + 1))
        assert len(stored) - committed in (0, 1)  # one commit may have been made and not told
        committed = len(stored)


def test_a_host_keeps_what_it_last_said(store: Store) -> None:
    with store.write() as tx:
        releases.add(tx, releases.ReleaseEntry("1-ab", 1, 5, "first", {"web1": "c0"}))
        hosts.update(tx, "web1", "10.0.0.1", agent_version="0.1", status={"engine": None}, seen_ns=5)
        hosts.update(tx, "web1", "10.0.0.2", release_wanted="1-ab")
        found = hosts.get(tx, "web1")
    assert found == hosts.HostState("web1", "10.0.0.2", "0.1", None, "1-ab", None, 5, None, {"engine": None})


def test_a_release_is_found_by_id_by_number_and_as_the_newest(store: Store) -> None:
    with store.write() as tx:
        assert releases.next_number(tx) == 1
        for number, name in ((1, "1-ab"), (2, "2-cd")):
            releases.add(tx, releases.ReleaseEntry(name, number, 5, "", {}))
        assert [releases.find(tx, name).number for name in ("1-ab", "2", None)] == [1, 2, 2]
        with pytest.raises(StoreError, match="no release '3'"):
            releases.find(tx, "3")
