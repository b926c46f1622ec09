"""The spool's folder: epochs, segments, and the place that was acknowledged."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import durable
from agent.outputs.spool import format as fmt

_EPOCH = re.compile(r"[0-9]{6,}-[0-9a-f]{12}")
_SEGMENT = re.compile(r"[0-9]{16}\.seg")
_ACKED = "acked"


class SpoolError(Exception):
    """The spool cannot be used as asked."""


@dataclass(frozen=True)
class Place:
    """Everything up to sequence number ``seq`` of ``epoch``, and every epoch before it.

    Raises SpoolError if ``epoch`` is no epoch's name.
    """

    epoch: str
    seq: int

    def __post_init__(self) -> None:
        epoch_order(self.epoch)

    @property
    def order(self) -> tuple[int, str, int]:
        """Key by which places are ordered."""
        return (*epoch_order(self.epoch), self.seq)


def epoch_order(epoch: str) -> tuple[int, str]:
    """Return the key by which epochs are ordered. Raises SpoolError if it is no epoch's name."""
    if not _EPOCH.fullmatch(epoch):
        raise SpoolError(f"{epoch!r} is no epoch")
    ordinal, _, rest = epoch.partition("-")
    return int(ordinal), rest


def epochs(folder: Path) -> list[str]:
    """Return the epochs that the spool holds, oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted((name for name in names if _EPOCH.fullmatch(name)), key=epoch_order)


def new_epoch(folder: Path) -> str:
    """Make the folder of a new epoch, later than all others, and return its name."""
    held = epochs(folder)
    place = acknowledged(folder)
    last = max([epoch_order(epoch)[0] for epoch in held] + ([epoch_order(place.epoch)[0]] if place else [0]))
    epoch = f"{last + 1:06d}-{os.urandom(6).hex()}"
    (folder / epoch).mkdir(mode=0o700)
    durable.sync_folder(folder)
    return epoch


def segments(folder: Path, epoch: str) -> list[int]:
    """Return the first sequence number of each segment of ``epoch``, ascending."""
    try:
        names = [path.name for path in (folder / epoch).iterdir()]
    except FileNotFoundError:
        return []
    return sorted(int(name[:16]) for name in names if _SEGMENT.fullmatch(name))


def segment_path(folder: Path, epoch: str, first: int) -> Path:
    """Return the path of the segment that begins at ``first``."""
    return folder / epoch / f"{first:016d}.seg"


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock file ``path``. Raises SpoolError if it is taken and ``wait`` is false."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError:
        raise SpoolError(f"another process holds {path}") from None
    finally:
        os.close(fd)


def acknowledged(folder: Path) -> Place | None:
    """Return the place last acknowledged, ``None`` if there is none. Raises SpoolError if damaged."""
    try:
        value = json.loads((folder / _ACKED).read_bytes())
        place = Place(str(value["epoch"]), int(value["seq"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, SpoolError) as error:
        raise SpoolError(
            f"{folder / _ACKED} is damaged: {error!r}; remove it to stream from the start"
        ) from None
    return place


def acknowledge(folder: Path, epoch: str, seq: int) -> Place:
    """Record durably that everything up to this place is stored elsewhere; delete whole segments behind it.

    An earlier place than the present one changes nothing. Returns the place that now holds.
    Raises SpoolError if the spool has never had this epoch.
    """
    new = Place(epoch, seq)
    with locked(folder / "acked.lock", wait=True):
        old = acknowledged(folder)
        if old is not None and new.order <= old.order:
            return old
        if epoch not in epochs(folder):
            raise SpoolError(f"epoch {epoch!r} is not in this spool")
        durable.write(folder / _ACKED, json.dumps({"epoch": new.epoch, "seq": new.seq}).encode())
        drop_acknowledged(folder, new)
    return new


def drop_acknowledged(folder: Path, place: Place) -> None:
    """Delete the segments that lie wholly at or before ``place``, except the one being written."""
    held = epochs(folder)
    for epoch in held[:-1]:
        if epoch_order(epoch) < epoch_order(place.epoch):
            remove_epoch(folder, epoch)
    if place.epoch not in held:
        return
    firsts = segments(folder, place.epoch)
    for first, following in zip(firsts, firsts[1:]):
        if following <= place.seq + 1:
            segment_path(folder, place.epoch, first).unlink(missing_ok=True)
    if place.epoch != held[-1] and last_seq(folder, place.epoch) <= place.seq:
        remove_epoch(folder, place.epoch)


def remove_epoch(folder: Path, epoch: str) -> None:
    """Delete an epoch with all its segments."""
    shutil.rmtree(folder / epoch, ignore_errors=True)  # what stays behind is tried again at the next chance


def last_seq(folder: Path, epoch: str) -> int:
    """Return the last sequence number held of ``epoch``; 0 if there is none."""
    for first in reversed(segments(folder, epoch)):
        last = 0
        with contextlib.suppress(FileNotFoundError):
            data = segment_path(folder, epoch, first).read_bytes()
            for record, _ in fmt.scan(data, skip_damage=True):
                last = record.seq
        if last:
            return last
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """Return the spool's state for people.

    ``epoch``: the newest, ``None`` if there never was one; ``first`` (lowest number that may still be
    held), ``last`` and ``acked`` in it; ``bytes`` of all epochs.
    """
    held = epochs(folder)
    place = acknowledged(folder)
    if not held:
        return {"epoch": None, "first": 0, "last": 0, "acked": 0, "bytes": 0}
    epoch = held[-1]
    return {
        "epoch": epoch,
        "first": min(segments(folder, epoch), default=1),
        "last": last_seq(folder, epoch),
        "acked": place.seq if place is not None and place.epoch == epoch else 0,
        "bytes": sum(size(folder, each) for each in held),
    }


def size(folder: Path, epoch: str) -> int:
    """Return the bytes that the segments of ``epoch`` take."""
    total = 0
    for first in segments(folder, epoch):
        with contextlib.suppress(FileNotFoundError):
            total += segment_path(folder, epoch, first).stat().st_size
    return total
