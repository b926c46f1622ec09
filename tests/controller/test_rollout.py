from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import rollout
from controller.errors import InputError, UnreachableError
from controller.inventory import Connection, Host
from controller.parallel import Outcome
from controller.push import Delivery, Pushed
from controller.rollout import Plan, judge, roll
from controller.waves import split

HOSTS = [Host(f"h{number}", Connection(f"h{number}"), ("all",)) for number in range(10)]


@pytest.mark.parametrize(
    ("serial", "sizes"),
    [
        ("1", [1] * 10),
        ("1,3", [1, 3, 3, 3]),
        ("1,20%,100%", [1, 2, 7]),
        ("5%", [1] * 10),
        ("100%", [10]),
        ("50", [10]),
        ("0", [1] * 10),
    ],
)
def test_waves_are_as_large_as_asked(serial: str, sizes: list[int]) -> None:
    assert [len(wave) for wave in split(HOSTS, serial)] == sizes


@pytest.mark.parametrize("serial", ["", "x", "10%%", "101%", "-1", "1,,2"])
def test_what_is_no_size_is_refused(serial: str) -> None:
    with pytest.raises(InputError, match="--serial"):
        split(HOSTS, serial)


@settings(deadline=None)
@given(
    count=st.integers(0, 200),
    serial=st.lists(
        st.one_of(st.integers(0, 50).map(str), st.integers(0, 100).map("{}%".format)), min_size=1, max_size=4
    ),
)
def test_every_host_is_in_exactly_one_wave(count: int, serial: list[str]) -> None:
    waves = split(range(count), ",".join(serial))
    assert [item for wave in waves for item in wave] == list(range(count))
    assert all(waves)


class Fleet:
    """Stands for the network: which hosts fail to take the release, and which fail later."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        failing: set[str] | None = None,
        dropping: set[str] | None = None,
    ) -> None:
        self.touched: list[str] = []
        self.failing, self.dropping = failing or set(), dropping or set()
        self.looks = 0
        monkeypatch.setattr(rollout, "push", self._push)
        monkeypatch.setattr(rollout, "refresh", self._refresh)

    def _push(
        self, _store: Any, _delivery: Any, hosts: Sequence[Host], _known: Path | None
    ) -> Iterator[Pushed]:
        for host in hosts:
            self.touched.append(host.name)
            yield Pushed(host.name, "failed" if host.name in self.failing else "changed", 1)

    def _refresh(
        self, _store: Any, hosts: Sequence[Host], _known: Path | None
    ) -> Iterator[Outcome[dict[str, Any]]]:
        self.looks += 1
        for host in hosts:
            drops = 5 if host.name in self.dropping and self.looks % 2 == 0 else 0
            yield Outcome(host, {"status": {"engine": {"digest": "d", "drops": drops}}})


class Entry:
    configs = {host.name: "c" for host in HOSTS}  # noqa: RUF012 - a constant


class Contents:
    def digest(self, _config: str) -> str:
        return "d"


def run(plan: Plan) -> dict[str, str]:
    delivery: Any = Delivery(Entry(), Contents())  # type: ignore[arg-type]
    store: Any = None
    return {pushed.host: pushed.outcome for pushed in roll(store, delivery, plan, wait=lambda _seconds: None)}


def test_a_release_that_fails_on_the_canary_touches_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, failing={"h0"})
    outcomes = run(Plan(split(HOSTS, "1,100%")))
    assert fleet.touched == ["h0"]
    assert outcomes == {"h0": "failed", **{f"h{number}": "held" for number in range(1, 10)}}


def test_failures_within_the_budget_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, failing={"h1", "h5"})
    outcomes = run(Plan(split(HOSTS, "2"), budget=2))
    assert len(fleet.touched) == 10
    assert sorted(outcomes.values()).count("failed") == 2


def test_a_canary_that_drops_events_while_it_is_watched_stops_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(monkeypatch, dropping={"h0"})
    outcomes = run(Plan(split(HOSTS, "1,100%"), soak=30))
    assert fleet.touched == ["h0"]
    assert outcomes["h0"] == "failed"
    assert outcomes["h9"] == "held"


def test_the_last_wave_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch)
    run(Plan(split(HOSTS, "1,100%"), soak=30))
    assert fleet.looks == 2


def outcome(engine: dict[str, Any] | None) -> Outcome[dict[str, Any]]:
    return Outcome(HOSTS[0], {"status": {"engine": engine}})


def test_a_host_is_sound_if_its_engine_runs_the_release_and_drops_nothing() -> None:
    assert judge(outcome({"digest": "d", "drops": 3}), "d", 3) is None


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (None, "does not run"),
        ({"digest": "e", "drops": 0}, "runs e, not d"),
        ({"digest": "d", "drops": 9}, "dropped 9 events"),
    ],
)
def test_what_is_wrong_with_a_host_is_said(engine: dict[str, Any] | None, words: str) -> None:
    assert words in (judge(outcome(engine), "d", 0) or "")


def test_a_host_that_cannot_be_reached_is_not_sound() -> None:
    gone: Outcome[dict[str, Any]] = Outcome(HOSTS[0], error=UnreachableError("h0", "no answer"))
    assert judge(gone, "d", 0) == "no answer"
