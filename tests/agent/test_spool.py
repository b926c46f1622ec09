"""The spool: what is appended is read, in order, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.outputs import spool
from agent.outputs.spool import format as fmt
from agent.outputs.spool import layout


def drain(reader: spool.Reader, max_records: int = 1000) -> list[tuple[str, int]]:
    found = []
    while (batch := reader.read(max_records)) is not None:
        found += [(batch.epoch, record.seq) for record in batch.records]
    return found


def numbers(reader: spool.Reader) -> list[int]:
    return [seq for _, seq in drain(reader)]


def fill(writer: spool.Writer, count: int, priority: int = 5, size: int = 10) -> None:
    for number in range(count):
        writer.append({"n": number, "pad": "x" * size}, priority)


def test_a_record_is_read_as_it_was_appended(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path)
    assert writer.append({"alert": {"rule": "R"}}, 2) == 1
    batch = spool.Reader(tmp_path).read(10)
    assert batch is not None
    assert batch.epoch == writer.epoch
    assert json.loads(batch.records[0].payload) == {"seq": 1, "epoch": writer.epoch, "alert": {"rule": "R"}}
    assert batch.records[0].priority == 2


def test_a_reader_sees_what_is_written_later_and_in_other_segments(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path, segment_bytes=300)
    reader = spool.Reader(tmp_path)
    assert reader.read(10) is None
    fill(writer, 3)
    assert numbers(reader) == [1, 2, 3]
    fill(writer, 30)
    assert len(layout.segments(tmp_path, writer.epoch)) > 5
    assert numbers(reader) == list(range(4, 34))


def test_a_reader_that_began_before_the_first_writer_finds_it(tmp_path: Path) -> None:
    reader = spool.Reader(tmp_path / "spool")
    assert reader.read(10) is None
    fill(spool.Writer(tmp_path / "spool"), 2)
    assert numbers(reader) == [1, 2]


@pytest.mark.parametrize("after", [0, 1, 17, 33, 50])
def test_a_reader_resumes_at_any_place(tmp_path: Path, after: int) -> None:
    writer = spool.Writer(tmp_path, segment_bytes=400)
    fill(writer, 50)
    reader = spool.Reader(tmp_path, spool.Place(writer.epoch, after))
    assert numbers(reader) == list(range(after + 1, 51))


def test_every_writer_begins_an_epoch_and_the_reader_goes_through_them_in_order(tmp_path: Path) -> None:
    epochs = []
    for _ in range(3):
        writer = spool.Writer(tmp_path)
        fill(writer, 2)
        epochs.append(writer.epoch)
        writer.close()
    assert drain(spool.Reader(tmp_path)) == [(epoch, seq) for epoch in epochs for seq in (1, 2)]
    assert drain(spool.Reader(tmp_path, spool.Place(epochs[0], 1))) == [
        (epochs[0], 2),
        *[(epoch, seq) for epoch in epochs[1:] for seq in (1, 2)],
    ]


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    first = spool.Writer(tmp_path)
    with pytest.raises(spool.SpoolError, match="another process writes"):
        spool.Writer(tmp_path)
    first.close()
    spool.Writer(tmp_path).close()


def test_an_acknowledged_segment_is_deleted_and_the_rest_stays(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path, segment_bytes=300)
    fill(writer, 30)
    spool.acknowledge(tmp_path, writer.epoch, 20)
    held = numbers(spool.Reader(tmp_path))
    assert held[-1] == 30
    assert 15 < held[0] <= 21
    assert spool.acknowledged(tmp_path) == spool.Place(writer.epoch, 20)


def test_an_earlier_acknowledgement_changes_nothing(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path)
    fill(writer, 5)
    spool.acknowledge(tmp_path, writer.epoch, 4)
    assert spool.acknowledge(tmp_path, writer.epoch, 2).seq == 4


@pytest.mark.parametrize("epoch", ["000009-000000000000", "../../etc", ""])
def test_an_epoch_that_never_was_cannot_be_acknowledged(tmp_path: Path, epoch: str) -> None:
    spool.Writer(tmp_path)
    with pytest.raises(spool.SpoolError):
        spool.acknowledge(tmp_path, epoch, 1)


def test_an_epoch_wholly_acknowledged_is_forgotten_when_the_next_begins(tmp_path: Path) -> None:
    first = spool.Writer(tmp_path)
    fill(first, 3)
    first.close()
    spool.acknowledge(tmp_path, first.epoch, 3)
    second = spool.Writer(tmp_path)
    assert layout.epochs(tmp_path) == [second.epoch]
    assert layout.epoch_order(second.epoch) > layout.epoch_order(first.epoch)


def test_the_size_bound_gives_up_the_oldest_of_the_lowest_priority(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path, max_bytes=6000, segment_bytes=1000)
    for number in range(100):
        writer.append({"n": number, "pad": "x" * 30}, 2 if number % 10 == 0 else 5)
        writer.make_room()
    kept = drain_priorities(tmp_path)
    assert sum(priority == 2 for _, priority in kept) == 10
    assert len(kept) == 100 - writer.losses.evicted
    assert writer.losses.evicted > 20
    assert [seq for seq, _ in kept][-10:] == list(range(91, 101))
    assert sum(layout.size(tmp_path, epoch) for epoch in layout.epochs(tmp_path)) <= 7000


def drain_priorities(folder: Path) -> list[tuple[int, int]]:
    reader = spool.Reader(folder)
    found = []
    while (batch := reader.read(100)) is not None:
        found += [(record.seq, record.priority) for record in batch.records]
    return found


def test_what_earlier_writers_left_counts_towards_the_size_bound(tmp_path: Path) -> None:
    first = spool.Writer(tmp_path, max_bytes=100_000, segment_bytes=1000)
    fill(first, 100)
    first.close()
    second = spool.Writer(tmp_path, max_bytes=3000, segment_bytes=1000)
    second.make_room()
    assert 0 < second.losses.evicted < 100
    assert sum(layout.size(tmp_path, epoch) for epoch in layout.epochs(tmp_path)) <= 3000


def test_acknowledged_records_that_make_room_are_no_loss(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path, max_bytes=1500, segment_bytes=1000)
    fill(writer, 30)
    spool.acknowledge(tmp_path, writer.epoch, 30)
    writer.make_room()
    assert writer.losses.evicted == 0


def test_a_record_that_cannot_be_written_is_a_counted_gap(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path)
    fill(writer, 1)
    assert writer.append({"pad": "x" * (fmt.MAX_PAYLOAD + 1)}, 0) is None
    fill(writer, 1)
    assert numbers(spool.Reader(tmp_path)) == [1, 3]
    assert writer.losses.unwritten == 1


@pytest.mark.live
def test_a_full_disk_costs_only_what_did_not_fit(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tercel-test", tmp_path], check=True)
    try:
        writer = spool.Writer(tmp_path, segment_bytes=16_000)
        ballast = tmp_path / "ballast"
        ballast.write_bytes(b"x" * 24_000)
        fill(writer, 100, size=1000)
        lost = writer.losses.unwritten
        assert lost > 0
        ballast.unlink()
        fill(writer, 5)
        kept = numbers(spool.Reader(tmp_path))
        assert len(kept) == 105 - lost
        assert kept[-5:] == [101, 102, 103, 104, 105]
        assert writer.losses.unwritten == lost
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_a_segment_cut_at_any_byte_keeps_every_whole_record_before_the_cut(tmp_path: Path) -> None:
    writer = spool.Writer(tmp_path)
    fill(writer, 3)
    writer.close()
    path = layout.segment_path(tmp_path, writer.epoch, 1)
    whole = path.read_bytes()
    ends = [end for _, end in fmt.scan(whole, skip_damage=False)]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        assert numbers(spool.Reader(tmp_path)) == list(range(1, sum(end <= cut for end in ends) + 1))


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, 10_000), change=st.integers(1, 255))
def test_a_damaged_byte_costs_at_most_one_record(
    tmp_path_factory: pytest.TempPathFactory, where: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    writer = spool.Writer(folder)
    fill(writer, 6)
    writer.close()
    path = layout.segment_path(folder, writer.epoch, 1)
    data = bytearray(path.read_bytes())
    data[where % len(data)] ^= change
    path.write_bytes(data)
    fill(second := spool.Writer(folder), 1)
    found = drain(spool.Reader(folder))
    assert found[-1] == (second.epoch, 1)
    assert len(set(found)) == len(found) >= 6
    second.close()


WRITER = """
import sys
from pathlib import Path
from agent.outputs import spool
writer = spool.Writer(Path(sys.argv[1]), segment_bytes=5000)
writer.start(0.01)
n = 0
while True:
    n += 1
    seq = writer.append({"n": n, "pad": "x" * (n * 37 % 900)}, 5)
    print(writer.epoch, seq, flush=True)
"""


def test_kill_9_loses_no_record_whose_append_had_returned(tmp_path: Path) -> None:
    confirmed: set[tuple[str, int]] = set()
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(200)]
        time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        confirmed |= {(line.split()[0], int(line.split()[1])) for line in lines if line.endswith("\n")}
    found = drain(spool.Reader(tmp_path))
    assert len(set(found)) == len(found)
    assert confirmed <= set(found)
    assert found == sorted(found)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 400)),
            st.tuples(st.just("restart"), st.just(0)),
            st.tuples(st.just("read"), st.integers(1, 5)),
            st.tuples(st.just("ack"), st.just(0)),
            st.tuples(st.just("reconnect"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_a_reader_that_acknowledges_and_reconnects_gets_every_record_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    writer = spool.Writer(folder, segment_bytes=500)
    written: list[tuple[str, int]] = []
    committed: list[tuple[str, int]] = []
    reader = spool.Reader(folder)
    for step, value in [*steps, ("read", 10_000)]:
        if step == "append":
            seq = writer.append({"pad": "x" * value}, 5)
            assert seq is not None
            written.append((writer.epoch, seq))
        elif step == "restart":
            writer.close()
            writer = spool.Writer(folder, segment_bytes=500)
        elif step == "read":
            while (batch := reader.read(value)) is not None:
                committed += [(batch.epoch, record.seq) for record in batch.records]
                if value < 10_000:
                    break
        elif step == "ack" and committed:
            spool.acknowledge(folder, *committed[-1])
        elif step == "reconnect":
            reader = spool.Reader(folder, spool.Place(*committed[-1]) if committed else None)
    assert list(dict.fromkeys(committed)) == written
    writer.close()
