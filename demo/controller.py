"""The ``tercel`` of this checkout, as an operator of the demo's fleet would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from demo.screen import DemoError, Screen

TERCEL = Path(sys.executable).with_name("tercel")
STOP_SECONDS = 15


class Controller:
    """Runs ``tercel`` with a home and an inventory of its own, below the fleet's folder."""

    def __init__(self, screen: Screen, folder: Path, inventory: Path) -> None:
        self._screen = screen
        self._environment = os.environ | {
            "TERCEL_HOME": str(folder / "home"),
            "TERCEL_INVENTORY": str(inventory),
            "PYTHONUNBUFFERED": "1",
        }
        self.folder = folder
        """Where it runs: relative paths on the command line are below it."""
        self.log = folder / "tercel-run.log"
        self._background: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str) -> None:
        """Show and run ``tercel ARGUMENTS``; its output goes to the screen. Raises DemoError if it fails."""
        self._screen.command(["tercel", *arguments])
        done = subprocess.run([TERCEL, *arguments], env=self._environment, cwd=self.folder, check=False)
        if done.returncode:
            raise DemoError(f"tercel {' '.join(arguments)} ended with exit code {done.returncode}")

    def ask(self, *arguments: str) -> str:
        """Return what ``tercel ARGUMENTS`` prints, without showing it. Raises DemoError if it fails."""
        done = subprocess.run(
            [TERCEL, *arguments],
            env=self._environment,
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise DemoError(f"tercel {' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def actions(self) -> list[dict[str, Any]]:
        """Return the actions, oldest first, as ``tercel actions --json`` shows them."""
        found: list[dict[str, Any]] = json.loads(self.ask("actions", "--json", "--limit", "1000"))
        return found

    def alerts(self, rule: str) -> list[dict[str, Any]]:
        """Return the alerts of a rule, oldest first, as ``tercel alerts --json`` shows them."""
        text = self.ask("alerts", "--json", "--rule", rule, "--limit", "1000000")
        return [json.loads(line) for line in text.splitlines()]

    def start(self, hosts: int) -> None:
        """Start ``tercel run``, to collect and respond until :meth:`stop`; wait until it holds all hosts."""
        self._screen.command(["tercel", "run"], background=True)
        with self.log.open("wb") as log:
            self._background = subprocess.Popen(
                [TERCEL, "run"],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which stops it in order
            )
        self._screen.wait("tercel run to hold every host", lambda: self._connected(hosts), 30, 0.1)

    def _connected(self, hosts: int) -> bool | None:
        self.check_running()
        return True if self.log.read_text(errors="replace").count(": connected") >= hosts else None

    def check_running(self) -> None:
        """Raise DemoError if ``tercel run`` has ended."""
        if self._background is None or self._background.poll() is not None:
            raise DemoError(f"tercel run has ended: {self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> int | None:
        """Stop ``tercel run``; return its exit code, ``None`` if it did not run."""
        process, self._background = self._background, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
