"""How soon an alert is written, how much a storm of alerts costs, what an idle agent costs.

    python bench/latency.py [--samples 300] [--seconds 5]

Prints: start-up, resident memory and idle CPU with the upstream stable rules; the time from a
system call to its alert line, on an idle machine and under 20,000 uninteresting opens a second;
and an alert storm in which every open matches, with the exact account: opens = alerts + drops.
Needs root, gcc, and the upstream rulesets in TERCEL_FALCO_DATA (default ../shared/falco).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, STABLE, Agent, running

MARKED_RULE = """
- rule: Marked file opened
  desc: the benchmark's own
  condition: evt.type in (open, openat, openat2) and fd.name = {path}
  output: opened | file=%fd.name process=%proc.name pid=%proc.pid
  priority: WARNING
"""


def marked(folder: Path) -> tuple[Path, Path]:
    """Return a marked file and a rules file that alerts on its opening."""
    path, rules = folder / "marked", folder / "marked.yaml"
    path.write_text("x")
    rules.write_text(MARKED_RULE.format(path=path))
    return path, rules


def idle(folder: Path, seconds: float) -> None:
    """Print start-up, memory and the CPU of an agent that has nothing to do."""
    with running(folder, STABLE) as agent:
        start_cpu = agent.cpu_seconds()
        time.sleep(seconds)
        share = (agent.cpu_seconds() - start_cpu) / seconds
        print(f"start to ready            {agent.start_seconds:8.2f} s   {start_cpu:.2f} CPU s   (bar: 2 s)")
        print(f"resident memory           {agent.rss_mb():8.1f} MB             (bar: 40 MB)")
        print(f"idle                      {100 * share:8.2f} % of a core   (bar: 0.3 %)")


def sample(agent: Agent, path: Path, count: int, pause: float) -> list[float]:
    """Open the marked file ``count`` times; return the milliseconds until each alert line came."""
    took = []
    assert agent.process.stdout is not None
    for _ in range(count):
        time.sleep(pause)
        before = time.monotonic()
        os.close(os.open(path, os.O_RDONLY))
        while b"Marked file opened" not in agent.process.stdout.readline():
            continue
        took.append(1000 * (time.monotonic() - before))
    return took


def spread(name: str, took: list[float], bar: str) -> None:
    """Print the median and the 99th percentile."""
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{name:26}{statistics.median(took):8.2f} ms p50 {p99:8.2f} ms p99   ({bar})")


def latency(folder: Path, program: Path, samples: int) -> None:
    """Print the time from call to line, idle and under load."""
    path, rules = marked(folder)
    quiet = folder / "quiet"
    quiet.write_text("x")
    with running(folder, STABLE, rules, stdout=True) as agent:
        spread("call to line, idle", sample(agent, path, samples, 0.01), "bar: 1 and 5 ms; Falco: 15 and 30")
        load = subprocess.Popen([program, "paced", "600", quiet, "20000"], stdout=subprocess.DEVNULL)
        try:
            took = sample(agent, path, samples, 0.01)
        finally:
            load.terminate()
            load.wait()
        spread("call to line, 20,000/s", took, "Falco: 1.0 and 2.6")


def storm(folder: Path, program: Path, seconds: float) -> None:
    """Print what becomes of a flood in which every open is an alert."""
    path, rules = marked(folder)
    with running(folder, rules) as agent:
        before = agent.cpu_seconds()
        started = time.monotonic()
        out = subprocess.run([program, "open", str(seconds), path], capture_output=True, check=True)
        opens = int(out.stdout.split()[0])
        alerts = settle(agent)
        took, cpu = time.monotonic() - started, agent.cpu_seconds() - before
        drops = agent.dropped()
        rate = alerts / took
        print(
            f"storm: {opens} opens in {seconds} s, {alerts} alerts in {took:.1f} s: {rate:.0f}/s (bar: 20000)"
        )
        print(
            f"storm: {1e6 * cpu / max(alerts, 1):.0f} us of CPU each (Falco: 70-100), {drops} drops counted"
        )
        print(f"storm: unaccounted for: {opens - alerts - drops}")


def settle(agent: Agent) -> int:
    """Wait until no more alerts come; return how many of them are about the marked file."""
    size = -1
    while size != agent.alerts.stat().st_size:
        size = agent.alerts.stat().st_size
        time.sleep(1)
    with agent.alerts.open("rb") as lines:
        return sum(json.loads(line)["rule"] == "Marked file opened" for line in lines)


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300, help="alerts to time, idle and under load")
    parser.add_argument("--seconds", type=float, default=5, help="length of the idle and storm parts")
    args = parser.parse_args()
    if os.geteuid() != 0 or not STABLE.exists():
        sys.exit("bench/latency.py needs root and the upstream rulesets (TERCEL_FALCO_DATA)")
    for part in ("idle", "latency", "storm"):
        with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
            folder = Path(name)
            program = folder / "workloads"
            subprocess.run(["gcc", "-O2", "-o", program, ROOT / "bench/workloads.c"], check=True)
            if part == "idle":
                idle(folder, args.seconds)
            elif part == "latency":
                latency(folder, program, args.samples)
            else:
                storm(folder, program, args.seconds)


if __name__ == "__main__":
    main()
