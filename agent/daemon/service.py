"""The daemon of one host: begins, answers, reloads, watches itself, ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from agent.daemon import capturing, internal
from agent.daemon.capturing import NewCapture
from agent.daemon.change import Changer
from agent.daemon.config_watch import ConfigWatch
from agent.daemon.control_server import ControlServer
from agent.daemon.instance import Instance
from agent.daemon.loading import LoadError, Prepared
from agent.daemon.loop import Loop
from agent.daemon.pipeline import Pipeline, Running
from agent.daemon.sources import Source, current_release, of_release
from agent.daemon.state import State, status
from agent.daemon.watchers import DropWatch, LossWatch
from agent.outputs import spool
from agent.paths import Paths
from agent.respond import verbs as respond
from agent.respond.expiry import Expiry
from agent.respond.journal import JournalError
from agent.wire import Refused

_log = logging.getLogger(__name__)


class _Nothing:
    """Matches as long as there is no ruleset."""

    def match(self, _event: object) -> list[Any]:
        return []


class Service:
    """Runs ``source``, or the current release.

    ``by_release``: run the current release, with ``source``'s options, and wait as long as there is none.
    """

    def __init__(
        self,
        paths: Paths,
        source: Source,
        *,
        by_release: bool,
        own_pid_namespace: bool = False,
        new_capture: NewCapture = capturing.live,
    ) -> None:
        self._paths, self._source, self._by_release = paths, source, by_release
        self._own, self._new_capture = own_pid_namespace, new_capture
        self._hostname = os.environ.get("FALCO_HOSTNAME") or socket.gethostname()
        self._problem = ""
        self._began_ns = time.time_ns()
        self._loss_watch = LossWatch(self._hostname)
        self._drop_watch = DropWatch(self._hostname)
        self._exit = 0

    def run(self) -> int:
        """Run until told to stop; return the exit code.

        Raises AlreadyRunningError; LoadError and CaptureError if what is to run cannot.
        """
        instance = Instance(self._paths.pid)
        try:
            self._writer = spool.Writer(self._paths.spool)
            self._writer.start()
            over = threading.Event()
            self._keep_times_to_live(over)
            try:
                return self._serve()
            finally:
                over.set()
                self._writer.close()
        finally:
            instance.release()

    def _keep_times_to_live(self, over: threading.Event) -> None:
        """Undo actions when their time is over, until ``over`` is set. Detection does not depend on it."""
        try:
            Expiry(respond.runner(self._paths.respond, self._paths.etc, self._paths.pid), over).start()
        except JournalError as error:
            _log.error("times to live of actions are not kept: %s", error)

    def _serve(self) -> int:
        self._loop = Loop(self._tick)
        self._pipeline = Pipeline(self._writer, Running(_Nothing(), [], None, None))
        self._changer = Changer(self._paths, self._loop, self._pipeline, self._hostname, self._new_capture)
        for number, handler in self._signal_handlers().items():
            self._loop.on_signal(number, handler)
        try:
            self._begin()
            if not self._by_release:
                ConfigWatch(self._prepared, self._reload_in_background).start()
            control = ControlServer(self._paths.socket, self._verbs())
            _log.info("running: %s", self._changer.mode)
            try:
                self._loop.run()
            finally:
                control.close()
        finally:
            self._changer.end()
        return self._exit

    def _prepared(self) -> Prepared | None:
        state = self._changer.state
        return state.prepared if state else None

    def _verbs(self) -> dict[str, Any]:
        return {
            "status": self._answer_status,
            "activate": self._answer_activate,
            "reload": self._answer_reload,
        }

    def _signal_handlers(self) -> dict[int, Callable[[], None]]:
        return {
            signal.SIGTERM: self._loop.stop,
            signal.SIGINT: self._loop.stop,
            signal.SIGHUP: self._reload_in_background,
            signal.SIGUSR1: self._reopen_outputs,
        }

    def _begin(self) -> None:
        """Load what is to run. A release that does not load leaves it up: another can be sent."""
        source = self._wanted()
        if source is None:
            _log.warning("there is no release yet: nothing is detected until the controller sends one")
            return
        try:
            self._changer.change(source, own_pid_namespace=self._own)
        except (LoadError, RuntimeError) as error:
            if not self._by_release:
                raise
            self._fail(f"release {source.release_id} does not load: nothing is detected", error)

    def _wanted(self) -> Source | None:
        """Return what is to run now, ``None`` if there is no release."""
        if not self._by_release:
            return self._source
        folder = current_release(self._paths)
        return of_release(self._paths, folder, self._source) if folder else None

    def _reload(self) -> State:
        """Load again what is to run. What runs goes on if that fails, and an alert says so."""
        try:
            return self._changed(self._wanted())
        except Exception as error:
            self._fail("the reload failed: what ran goes on running", error)
            raise

    def _changed(self, source: Source | None, *, becomes_current: bool = False) -> State:
        if source is None:
            raise Refused("no_release", "there is no release to load: push one")
        state = self._changer.change(source, own_pid_namespace=self._own, becomes_current=becomes_current)
        self._problem = ""
        return state

    def _reload_in_background(self) -> None:
        def run() -> None:
            try:
                self._reload()
            except Exception as error:  # noqa: BLE001 - told by alert and log already
                _log.debug("reload: %r", error)

        threading.Thread(target=run, name="reload", daemon=True).start()

    def _fail(self, what: str, error: BaseException) -> None:
        _log.error("%s\n%s", what, error)
        self._problem = f"{what}: {error}"
        fields = {"reason": str(error)[:2000]}
        alert = internal.alert(self._hostname, internal.RESTART_FAILURE, "Critical", self._problem, fields)
        if threading.current_thread() is threading.main_thread():
            self._pipeline.emit(alert)
        else:
            self._loop.call(lambda: self._pipeline.emit(alert))

    def _reopen_outputs(self) -> None:
        for output in self._pipeline.running.outputs:
            output.reopen()

    def _answer_reload(self, _request: dict[str, Any]) -> dict[str, Any]:
        state = _refusing(self._reload)
        return {"digest": state.prepared.digest, "rules": len(state.engine.rules)}

    def _answer_activate(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self._by_release:
            text = f"this daemon runs {self._source.config}, no releases: start it without -c"
            raise Refused("not_by_release", text)
        source = of_release(self._paths, self._paths.releases / str(request["release"]), self._source)
        previous = current_release(self._paths)
        state = _refusing(lambda: self._changed(source, becomes_current=True))
        return {"digest": state.prepared.digest, "previous": previous.name if previous else None}

    def _answer_status(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"engine": self._loop.call(self._status).result(10)}

    def _status(self) -> dict[str, Any]:
        state = self._changer.state
        return {
            **status(state, self._pipeline, self._writer.losses, self._changer.drops()),
            "since_ns": state.since_ns if state else self._began_ns,
            "mode": self._changer.mode,
            "problem": self._problem,
        }

    def _tick(self) -> None:
        for alert in self._loss_watch.look(self._pipeline, self._writer, self._pipeline.running.outputs):
            self._pipeline.emit(alert)
        state = self._changer.state
        if state is None:
            return
        settings = state.prepared.config.syscall_event_drops
        drop = self._drop_watch.look(settings, self._changer.drops(), self._pipeline.events)
        if drop is not None:
            if "alert" in settings.actions:
                self._pipeline.emit(drop)
            if "exit" in settings.actions:
                _log.error("ending, as syscall_event_drops.actions asks")
                self._exit = 1
                self._loop.stop()


def _refusing(work: Callable[[], State]) -> State:
    """Do ``work``; what keeps a source from running becomes the answer."""
    try:
        return work()
    except LoadError as error:
        findings = [vars(each) for each in error.findings]
        raise Refused("release_rejected", str(error), {"diagnostics": findings}) from None
