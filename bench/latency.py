"""How long from a system call's return to its alert in the spool: idle, and beside a busy process.

    sudo .venv/bin/python bench/latency.py [--alerts 500]

Times are the agent's own: the event's (taken in the kernel at the call's return), the match, the spool write.
Compare the columns of one run with each other; the numbers of two machines say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.outputs import spool
from agent.paths import Paths

REPOSITORY = Path(__file__).parents[1]
RULES = """
- rule: Marked
  desc: the marked file is opened
  condition: evt.type in (open, openat, openat2) and fd.name = {marked}
  output: opened by %proc.name %proc.cmdline
  priority: WARNING
"""
BUSY = "import os\nwhile True: os.close(os.open('/dev/null', os.O_RDONLY))"


def agent(root: Path, *arguments: str) -> None:
    """Call the agent's command."""
    environment = {**os.environ, "TERCEL_ROOT": str(root), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-m", "agent.cli", *arguments], env=environment, check=True, stdout=2)


def records(paths: Paths) -> list[dict[str, dict[str, int]]]:
    """Return every record in the spool."""
    reader, found = spool.Reader(paths.spool), []
    while (batch := reader.read(10_000)) is not None:
        found += [json.loads(record.payload) for record in batch.records]
    return found


def opens(marked: Path, count: int) -> None:
    """Open the marked file, once every few milliseconds."""
    for _ in range(count):
        os.close(os.open(marked, os.O_RDONLY))
        time.sleep(0.004)
    time.sleep(1.0)


def row(name: str, times: list[dict[str, int]]) -> str:
    """Return one line of the table."""
    whole = sorted((each["spooled_ns"] - each["event_ns"]) / 1000 for each in times)
    matched = sorted((each["matched_ns"] - each["event_ns"]) / 1000 for each in times)
    cells = [whole[int(len(whole) * part)] for part in (0.5, 0.9, 0.99)] + [whole[-1]]
    share = matched[len(matched) // 2] / cells[0]
    return f"{name:<22}" + "".join(f"{cell:>10.0f}" for cell in cells) + f"{share:>12.0%}"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=500)
    count = parser.parse_args().alerts
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as folder:
        root = Path(folder)
        marked = root / "marked"
        marked.touch()
        (root / "rules.yaml").write_text(RULES.format(marked=marked))
        (root / "falco.yaml").write_text(f"rules_files: [{root}/rules.yaml]\n")
        agent(root, "start", "-c", str(root / "falco.yaml"))
        try:
            opens(marked, count)
            with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
                opens(marked, count)
                busy.kill()
        finally:
            agent(root, "stop")
        times = [record["t"] for record in records(Paths(root)) if "event_ns" in record["t"]]
    print(f"{len(times)} of {2 * count} alerts; microseconds from the call's return to the spool")
    print(
        f"{'':<22}"
        + "".join(f"{title:>10}" for title in ("p50", "p90", "p99", "max"))
        + f"{'until match':>12}"
    )
    print(row("idle", times[:count]))
    print(row("beside a busy process", times[count:]))


if __name__ == "__main__":
    main()
