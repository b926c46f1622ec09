"""A tercel-agent of our own for a benchmark: its start, its figures, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FALCO = Path(os.environ.get("TERCEL_FALCO_DATA", ROOT.parent / "shared" / "falco"))
STABLE = FALCO / "rules" / "falco_rules.yaml"
PROGRAM = ROOT / ".venv/bin/tercel-agent"
TICKS = os.sysconf("SC_CLK_TCK")


class Agent:
    """A running agent with the given rules, under a root of its own below ``folder``.

    ``stdout`` asks for alerts on a pipe, ``process.stdout``, instead of the file ``alerts``.
    """

    def __init__(self, folder: Path, *rules: Path, stdout: bool = False, **config: Any) -> None:
        self.folder = folder
        self.alerts = folder / "alerts.json"
        settings = {
            "rules_files": [str(path) for path in rules],
            "json_output": True,
            "stdout_output": {"enabled": stdout},
            "file_output": {"enabled": not stdout, "keep_alive": True, "filename": str(self.alerts)},
            **config,
        }
        (folder / "falco.yaml").write_text(json.dumps(settings))
        self.environment = {**os.environ, "TERCEL_ROOT": str(folder / "root")}
        started = time.monotonic()
        with (folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "run", "-c", folder / "falco.yaml"],
                env=self.environment,
                stdout=subprocess.PIPE if stdout else log,
                stderr=log,
            )
        self._wait()
        self.start_seconds = time.monotonic() - started

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while not self.status():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the agent did not start:\n{(self.folder / 'agent.log').read_text()}")
            time.sleep(0.02)

    def status(self) -> dict[str, Any]:
        """Return the engine part of ``tercel-agent status --json``, empty while it starts."""
        done = subprocess.run(
            [PROGRAM, "status", "--json"], env=self.environment, capture_output=True, check=False
        )
        try:
            return dict(json.loads(done.stdout)["engine"] or {})
        except (ValueError, KeyError):
            return {}

    def dropped(self) -> int:
        """Events lost so far, for any reason."""
        drops = self.status()["drops"]
        return sum(drops.values()) if isinstance(drops, dict) else int(drops)

    def cpu_seconds(self) -> float:
        """CPU time of the daemon so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self) -> float:
        """Resident memory of the daemon in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def stop(self) -> None:
        """End the daemon and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


@contextmanager
def running(folder: Path, *rules: Path, stdout: bool = False, **config: Any) -> Iterator[Agent]:
    """Run an agent for the length of a with block."""
    agent = Agent(folder, *rules, stdout=stdout, **config)
    try:
        yield agent
    finally:
        agent.stop()
