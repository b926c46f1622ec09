"""Starting and stopping the daemon."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent import control
from agent.daemon import systemd
from agent.daemon.instance import AlreadyRunningError, running
from agent.daemon.loading import LoadError
from agent.daemon.sources import CONFIG, Source, current_release, of_release
from agent.daemon.terminal import complain, say
from agent.outputs.spool import SpoolError
from agent.paths import Paths

_START_S = 90.0
_STOP_S = 30.0


def source(options: argparse.Namespace, paths: Paths, rules: list[str] | None = None) -> Source:
    """Return what the options of the command line ask to run, now."""
    given = Source(options.config or Path(), tuple(options.options), tuple(rules or options.rules))
    if not _by_release(options, paths):
        return given
    folder = current_release(paths)
    return (
        of_release(paths, folder, given)
        if folder
        else Source(paths.current / CONFIG, given.options, given.rules)
    )


def _by_release(options: argparse.Namespace, paths: Paths) -> bool:
    return options.config is None or options.config == paths.current / CONFIG


def foreground(options: argparse.Namespace, paths: Paths) -> int:
    """Run the daemon in this process until it is told to stop; return the exit code."""
    from agent.daemon.service import Service  # the engine, only where it is to run
    from agent.kernel.errors import CaptureError

    if os.geteuid() != 0:
        return complain("capturing system calls needs root: run it with sudo")
    os.umask(0o077)
    given = Source(options.config or Path(), tuple(options.options), tuple(options.rules))
    service = Service(
        paths, given, by_release=_by_release(options, paths), own_pid_namespace=options.own_pid_namespace
    )
    try:
        return service.run()
    except AlreadyRunningError as error:
        return complain(f"a daemon runs already, as process {error}: stop it with tercel-agent stop")
    except LoadError as error:
        return complain(f"nothing is running: the configuration or its rules are refused\n{error}")
    except (CaptureError, SpoolError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        return complain(f"nothing is running: {error}")


def background(options: argparse.Namespace, paths: Paths) -> int:
    """Start the daemon and wait until it runs; return the exit code."""
    pid = running(paths.pid)
    if pid is not None:
        say(f"already running, as process {pid}")
        return 0
    if systemd.has_unit() and not _asks_for_something(options):
        return systemd.start()
    return _spawn(options, paths)


def _asks_for_something(options: argparse.Namespace) -> bool:
    return bool(options.config or options.options or options.rules or options.own_pid_namespace)


def _spawn(options: argparse.Namespace, paths: Paths) -> int:
    paths.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = os.open(paths.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began = os.fstat(log).st_size
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen(
        [sys.executable, "-m", "agent.cli", "run", *_arguments(options)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    os.close(log)
    if _wait_until_it_answers(child, paths):
        say(f"running as process {child.pid}; its log is {paths.log}")
        return 0
    with paths.log.open("rb") as file:
        file.seek(began)
        return complain(f"the daemon does not run:\n{file.read(8192).decode(errors='replace').rstrip()}")


def _arguments(options: argparse.Namespace) -> list[str]:
    """Return the options for the new process, which works in another folder."""
    arguments = [f"-o{option}" for option in options.options]
    arguments += [f"-r{Path(rule).absolute()}" for rule in options.rules]
    if options.config is not None:
        arguments.append(f"-c{options.config.absolute()}")
    return arguments + ["--own-pid-namespace"] * options.own_pid_namespace


def _wait_until_it_answers(child: subprocess.Popen[bytes], paths: Paths) -> bool:
    deadline = time.monotonic() + _START_S
    while child.poll() is None and time.monotonic() < deadline:
        if _answers(paths):
            return True
        time.sleep(0.05)
    return False


def _answers(paths: Paths) -> bool:
    try:
        control.ask(paths, {"do": "status"}, timeout_s=5)
    except control.NoDaemonError:
        return False
    return True


def stop(paths: Paths) -> int:
    """Stop the daemon and wait until it has ended; return the exit code."""
    pid = running(paths.pid)
    if not pid:
        say("no daemon runs")
        return 0
    if systemd.manages(pid):
        return systemd.stop()
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while running(paths.pid) == pid:
        if time.monotonic() > deadline:
            return complain(f"process {pid} has not ended within {_STOP_S:g} s")
        time.sleep(0.05)
    say(f"stopped process {pid}")
    return 0
