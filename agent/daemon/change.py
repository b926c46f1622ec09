"""Replacing what runs: load beside, attach beside, swap. Nothing is lost in between, or all is as before."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from agent import durable
from agent.compiler.engine import Engine, EngineSettings
from agent.daemon import capturing, log
from agent.daemon.capturing import Capture, NewCapture
from agent.daemon.loading import prepare_in_child
from agent.daemon.loop import Loop
from agent.daemon.pipeline import Pipeline, Running
from agent.daemon.sources import Source, current_release
from agent.daemon.state import State
from agent.kernel.errors import VerifierError
from agent.kernel.program import KEEP_ALL
from agent.outputs.build import build_outputs
from agent.outputs.queued import Queued
from agent.paths import Paths

_BATCH = 2000
"""Events handled before the loop looks at anything else."""
_DRAIN_S = 5.0
_log = logging.getLogger(__name__)


def give_back_memory() -> None:
    """Return what a change left behind to the kernel: the C library keeps it otherwise."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


class Changer:
    """Owns the capture and the state; changes both, one change at a time, from any thread."""

    def __init__(
        self, paths: Paths, loop: Loop, pipeline: Pipeline, hostname: str, new_capture: NewCapture
    ) -> None:
        self._paths, self._loop, self._pipeline = paths, loop, pipeline
        self._hostname, self._new_capture = hostname, new_capture
        self._one_at_a_time = threading.Lock()
        self._capture: Capture | None = None
        self._own = False
        self._filter_mode = ""
        self.state: State | None = None
        """What runs; ``None`` before the first change."""

    @property
    def mode(self) -> str:
        """How events are captured, for people."""
        if self._capture is None:
            return "idle: no ruleset"
        scope = "own pid namespace" if self._own else "whole host"
        return f"{self._capture.mode}, {scope}, {self._filter_mode}"

    def drops(self) -> dict[str, int]:
        """Return the events that capture lost, by reason."""
        return {} if self._capture is None else capturing.lost(self._capture.counters())

    def change(self, source: Source, *, own_pid_namespace: bool, becomes_current: bool = False) -> State:
        """Make ``source`` what runs; its release becomes the current one if asked.

        Raises LoadError, CaptureError or OSError; then all is as before.
        """
        with self._one_at_a_time:
            prepared = prepare_in_child(source)
            engine = Engine.build(prepared.ruleset, self._engine_settings(prepared.config))
            types, vain = capturing.split(engine)
            own = own_pid_namespace or prepared.config.tercel.own_pid_namespace
            state = State(prepared, engine, vain)
            if becomes_current and source.release is not None:
                with self._pointing_at(source.release):
                    self._recapture(types, prepared.kernel_filter, own=own)
            else:
                self._recapture(types, prepared.kernel_filter, own=own)
            self._swap(state)
        give_back_memory()
        log.follow(state.prepared.config)
        state.report()
        return state

    def _engine_settings(self, config: Any) -> EngineSettings:
        return EngineSettings(
            rule_matching=config.rule_matching, hostname=self._hostname, static_fields=config.static_fields
        )

    @contextlib.contextmanager
    def _pointing_at(self, release: Path) -> Iterator[None]:
        """Point ``current`` at ``release``; if what follows fails, point back."""
        before = current_release(self._paths)
        durable.symlink(self._paths.current, f"releases/{release.name}")
        try:
            yield
        except BaseException:
            if before is None:
                self._paths.current.unlink()
            else:
                durable.symlink(self._paths.current, f"releases/{before.name}")
            raise

    def _recapture(self, types: frozenset[str], kernel_filter: str, *, own: bool) -> None:
        """Have the kernel capture ``types``; what it captures so far goes on until it does.

        A kernel that refuses the filter captures all of ``types``, and the mode says so.
        """
        try:
            self._recapture_filtered(types, kernel_filter, own=own)
            self._filter_mode = "filtered in the kernel"
        except VerifierError as error:
            _log.warning("the kernel refuses the filter, every event of these types is evaluated: %s", error)
            self._recapture_filtered(types, KEEP_ALL, own=own)
            self._filter_mode = "not filtered: the kernel refuses the filter"

    def _recapture_filtered(self, types: frozenset[str], kernel_filter: str, *, own: bool) -> None:
        if self._capture is not None and own == self._own:
            self._capture.reload(types, kernel_filter)
            return
        new = self._new_capture(types, kernel_filter, own)
        new.start()
        self._in_loop(lambda: self._attach(new))
        self._own = own

    def _attach(self, new: Capture) -> None:
        old, self._capture = self._capture, new
        if old is not None:
            self._loop.remove(old.fileno())
            old.read(self._pipeline.handle)
            old.close()
        self._loop.add(new.fileno(), lambda: new.read(self._pipeline.handle, _BATCH))

    def _swap(self, state: State) -> None:
        prepared = state.prepared
        outputs = build_outputs(prepared.config)
        running = Running(state.engine, outputs, prepared.source.release_id, prepared.digest)
        for output in self._in_loop(lambda: self._put(running, state)):
            output.close(_DRAIN_S)

    def _put(self, running: Running, state: State) -> Sequence[Queued]:
        old = self._pipeline.running.outputs
        self._pipeline.running = running
        state.since_ns = time.time_ns()
        self.state = state
        return old

    def _in_loop(self, work: Callable[[], Any]) -> Any:
        """Do ``work`` in the loop's thread: at once if this is it."""
        if threading.current_thread() is threading.main_thread():
            return work()
        return self._loop.call(work).result()

    def end(self) -> None:
        """Evaluate what was captured, deliver what was matched. From the loop's thread."""
        if self._capture is not None:
            deadline = time.monotonic() + _DRAIN_S
            while self._capture.read(self._pipeline.handle, _BATCH) and time.monotonic() < deadline:
                continue
            self._capture.close()
        for output in self._pipeline.running.outputs:
            output.close(_DRAIN_S)
