"""``python -m demo``: the whole path, from three bare hosts to a stopped attacker."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from demo.fleet import Fleet, FleetError, leftovers, sweep
from demo.screen import DemoError, Screen
from demo.steps import Demo

HOSTS = ("web1", "web2", "db1")
LOG_LINES = 40


def main() -> int:
    """Run the demo, or with ``--clean`` remove what a killed one left. Return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--clean", action="store_true", help="only remove what killed demos left behind")
    if parser.parse_args().clean:
        for line in sweep():
            print(f"removed: {line}")
        return 0
    screen = Screen()
    if (lack := _lack()) is not None:
        screen.say(f"The demo cannot run: {lack}", "red")
        return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    return _run(screen)


def _lack() -> str | None:
    """Say what this machine lacks for the demo, with the fix; ``None`` if nothing."""
    if os.geteuid() != 0:
        return "it loads eBPF programs and makes hosts out of namespaces. Run it as root: sudo make demo"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF (/sys/kernel/btf/vmlinux). Boot one that has it, as Debian's own does"
    return None


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _run(screen: Screen) -> int:
    with ExitStack() as cleaning:
        code = _show(screen, cleaning)
        _hold_signals()
    if code == 0:
        screen.say("\nThe attacker was stopped, the hosts are gone, nothing is left.", "bold green")
    return code


def _show(screen: Screen, cleaning: ExitStack) -> int:
    """Show the demo; what has to be cleaned up at the end is left in ``cleaning``."""
    demo: Demo | None = None
    try:
        fleet = Fleet.start(HOSTS)
        cleaning.callback(_clean, fleet)
        demo = Demo(screen, fleet)
        cleaning.callback(demo.tercel.stop)
        demo.run()
    except KeyboardInterrupt:
        screen.say("\nInterrupted: cleaning up", "yellow")
        return 130
    except (DemoError, FleetError) as error:
        screen.say(f"\nFailed in {screen.step_name}: {error}", "red")
        if demo is not None:
            _show_logs(screen, demo)
        return 1
    return 0


def _show_logs(screen: Screen, demo: Demo) -> None:
    for name, file in demo.logs().items():
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        for line in [f"--- {name}: {file}", *lines[-LOG_LINES:]]:
            screen.say(line.translate(dict.fromkeys(range(32), "?")), "dim")


def _hold_signals() -> None:
    """From here on a Ctrl-C cannot stop the cleaning half way."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _clean(fleet: Fleet) -> None:
    fleet.stop()
    if left := leftovers(fleet.id):
        raise SystemExit(f"left behind: {', '.join(left)}")


if __name__ == "__main__":
    sys.exit(main())
