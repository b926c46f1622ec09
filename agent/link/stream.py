"""Streaming the spool to the controller: pushes within a window, acknowledgements back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from agent.inotify import Watch
from agent.link.session import Handler
from agent.outputs import spool
from agent.wire import Message, Refused

_LARGEST_PUSH = 500
_POLL_S = 1.0
_MAX_WINDOW = 100_000

Push = Callable[[Message, bytes], None]


class AlertStream:
    """The alert verbs of one session. At most one stream; asking again replaces it."""

    def __init__(self, folder: Path, push: Push, over: threading.Event) -> None:
        self._folder, self._push, self._over = folder, push, over
        self._changed = threading.Condition()
        self._pushed: deque[tuple[spool.Place, int]] = deque()  # last place and size of unacknowledged pushes
        self._generation = 0

    def handlers(self) -> dict[str, Handler]:
        """Return the verbs."""
        return {"alerts.stream": self.stream, "alerts.ack": self.acknowledge}

    def stream(self, message: Message, _blob: bytes) -> Message:
        """Begin streaming behind the place that the controller names."""
        window = message.get("window", 1000)
        if not isinstance(window, int) or not 0 < window <= _MAX_WINDOW:
            raise Refused("bad_request", f"window must be a number from 1 to {_MAX_WINDOW}, not {window!r}")
        after = _place(message, "after") if message.get("epoch") is not None else None
        watch = Watch()
        watch.add(self._folder)
        reader = spool.Reader(self._folder, after)
        with self._changed:
            self._generation += 1
            self._pushed.clear()
            self._changed.notify_all()
            generation = self._generation
        thread = threading.Thread(
            target=self._run, args=(reader, watch, window, generation), name="stream", daemon=True
        )
        state = spool.describe(self._folder)
        thread.start()
        return {key: state[key] for key in ("epoch", "first", "last")}

    def acknowledge(self, message: Message, _blob: bytes) -> Message:
        """Record that the controller has committed everything up to a place that was pushed."""
        place = _place(message, "seq")
        if not self._was_pushed(place):
            last = spool.last_seq(self._folder, place.epoch)
            if place.seq > last:
                raise Refused(
                    "bad_ack", f"record {place.seq} of {place.epoch} does not exist: the last is {last}"
                )
        try:
            spool.acknowledge(self._folder, place.epoch, place.seq)
        except spool.SpoolError as error:
            raise Refused("bad_ack", str(error)) from None
        with self._changed:
            while self._pushed and self._pushed[0][0].order <= place.order:
                self._pushed.popleft()
            self._changed.notify_all()
        return {"epoch": place.epoch, "seq": place.seq}

    def _was_pushed(self, place: spool.Place) -> bool:
        with self._changed:
            return any(last.epoch == place.epoch and place.seq <= last.seq for last, _ in self._pushed)

    def _run(self, reader: spool.Reader, watch: Watch, window: int, generation: int) -> None:
        try:
            while (room := self._room(window, generation)) is not None:
                place = reader.place
                if place is not None:
                    watch.add(self._folder / place.epoch)
                batch = reader.read(min(room, _LARGEST_PUSH)) if room else None
                if batch is not None:
                    self._send(batch)
                elif room:
                    watch.wait(_POLL_S)
        except OSError:  # the peer has gone, or the spool cannot be read: the session ends either way
            self._over.set()
        finally:
            watch.close()
            reader.close()

    def _room(self, window: int, generation: int) -> int | None:
        """Return how many records may be pushed now, after waiting for some room; ``None`` to stop."""
        with self._changed:
            room = window - sum(count for _, count in self._pushed)
            if room <= 0:
                self._changed.wait(_POLL_S)
            if generation != self._generation or self._over.is_set():
                return None
            return max(0, window - sum(count for _, count in self._pushed))

    def _send(self, batch: spool.Batch) -> None:
        first, last = batch.records[0].seq, batch.records[-1].seq
        with self._changed:
            self._pushed.append((spool.Place(batch.epoch, last), len(batch.records)))
        message = {"push": "alerts", "epoch": batch.epoch, "first": first, "last": last}
        blob = b"".join(record.payload + b"\n" for record in batch.records)
        self._push({**message, "count": len(batch.records)}, blob)


def _place(message: Message, key: str) -> spool.Place:
    epoch, seq = message.get("epoch"), message.get(key)
    if not isinstance(epoch, str) or not isinstance(seq, int) or seq < 0:
        raise Refused("bad_request", f"epoch must be text and {key} a number, not {epoch!r} and {seq!r}")
    try:
        return spool.Place(epoch, seq)
    except spool.SpoolError as error:
        raise Refused("bad_request", str(error)) from None
