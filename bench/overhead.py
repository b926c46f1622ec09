"""What a running agent costs: workloads with and without it, side by side in one run.

Each workload runs in turn without and with the agent, a few rounds of each, so that both see
the same machine. The table gives the median throughput kept (with / without), the agent's CPU
seconds per 10 s of workload, and its drops. Needs root, gcc, and the upstream rulesets in
TERCEL_FALCO_DATA (default ../shared/falco).

    python bench/overhead.py [--rounds 3] [--seconds 3] [--only W1,W3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import FALCO, ROOT, STABLE, running

CLOSED_PORT = "1"

FALCO_KEEPS = {"W1": 0.55, "W1p": 1.00, "W2": 0.85, "W3": 0.86, "W4": 0.78, "W1x2": 0.43}
FALCO_CPU = {"W1": 7.9, "W1p": 1.03, "W2": 1.6, "W3": 2.25, "W4": 1.3}
KEEP_BAR = {"W1": 0.84, "W1p": 1.00, "W2": 0.95, "W3": 0.96, "W4": 0.95, "W1x2": 0.80}
CPU_BAR = {"W1": 0.1, "W1p": 0.05, "W2": 0.6, "W3": 0.1, "W4": 0.3}


@dataclass(frozen=True)
class Sample:
    """One run of a workload."""

    rate: float
    """Operations per second."""
    seconds: float


@dataclass(frozen=True)
class Row:
    """A workload's line in the table."""

    name: str
    keeps: float
    cpu_per_10s: float
    drops: int


def timed(program: Path, *args: str, core: int | None = 0) -> Sample:
    """Run one loop of workloads.c, pinned to ``core`` unless None."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    out = subprocess.run([*pin, program, *args], capture_output=True, check=True, text=True).stdout.split()
    return Sample(int(out[0]) / float(out[1]), float(out[1]))


def on_both_cores(program: Path, *args: str) -> Sample:
    """Run the same loop on cores 0 and 1 at once; the rates add up."""
    runs = [
        subprocess.Popen(["taskset", "-c", str(core), program, *args], stdout=subprocess.PIPE, text=True)
        for core in (0, 1)
    ]
    outs = [run.communicate()[0].split() for run in runs]
    return Sample(sum(int(out[0]) / float(out[1]) for out in outs), float(outs[0][1]))


def build_like(folder: Path) -> Sample:
    """Compile and link small C programs two at a time, tar headers through a pipe, walk /usr/share."""
    sources = []
    for number in range(8):
        source = folder / f"small{number}.c"
        source.write_text(f'#include <stdio.h>\nint main(void) {{ return printf("%d\\n", {number}) < 0; }}\n')
        sources.append(source)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    for pair in zip(sources[::2], sources[1::2], strict=True):
        runs = [subprocess.Popen(["gcc", "-O1", "-o", source.with_suffix(""), source]) for source in pair]
        for run in runs:
            run.wait()
    packer = subprocess.Popen(["tar", "-C", "/usr", "-cf", "-", "include"], stdout=subprocess.PIPE)
    subprocess.run(["cat"], stdin=packer.stdout, stdout=subprocess.DEVNULL, check=True)
    packer.wait()
    subprocess.run(["find", "/usr/share"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # CPU time of the work, not wall time: the two cores are shared with everything else here.
    return Sample(1 / cpu, time.monotonic() - started)


def workloads(program: Path, folder: Path, seconds: str) -> dict[str, Callable[[], Sample]]:
    """Return the workloads by their name in the table."""
    quiet = folder / "uninteresting"
    quiet.write_text("x")
    return {
        "W1": lambda: timed(program, "open", seconds, str(quiet)),
        "W1p": lambda: timed(program, "paced", seconds, str(quiet), "20000"),
        "W2": lambda: timed(program, "spawn", seconds),
        "W3": lambda: timed(program, "connect", seconds, CLOSED_PORT),
        "W4": lambda: build_like(folder),
        "W1x2": lambda: on_both_cores(program, "open", seconds, str(quiet)),
    }


def measure(names: list[str], runs: dict[str, Callable[[], Sample]], rounds: int, folder: Path) -> list[Row]:
    """Run every workload without and with the agent, ``rounds`` times each."""
    without: dict[str, list[Sample]] = {name: [] for name in names}
    with_agent: dict[str, list[Sample]] = {name: [] for name in names}
    cpu = dict.fromkeys(names, 0.0)
    drops = dict.fromkeys(names, 0)
    for _ in range(rounds):
        for name in names:
            without[name].append(runs[name]())
        with running(folder, STABLE) as agent:
            for name in names:
                cpu_before, drops_before = agent.cpu_seconds(), agent.dropped()
                with_agent[name].append(runs[name]())
                cpu[name] += agent.cpu_seconds() - cpu_before
                drops[name] += agent.dropped() - drops_before
            print(
                f"agent: started in {agent.start_seconds:.2f} s, {agent.rss_mb():.1f} MB resident",
                file=sys.stderr,
            )
    return [
        Row(
            name,
            statistics.median(s.rate for s in with_agent[name])
            / statistics.median(s.rate for s in without[name]),
            10 * cpu[name] / sum(s.seconds for s in with_agent[name]),
            drops[name],
        )
        for name in names
    ]


def show(rows: list[Row]) -> None:
    """Print the table, with the reference and the bar beside each figure."""
    print("      Falco keeps   bar   keeps  Falco CPU   bar  CPU/10s  drops")
    for row in rows:
        cpu = figure(FALCO_CPU.get(row.name), 11) + figure(CPU_BAR.get(row.name), 6)
        keeps = figure(FALCO_KEEPS[row.name], 12) + figure(KEEP_BAR[row.name], 6)
        print(f"{row.name:6}{keeps}{row.keeps:>8.3f}{cpu}{row.cpu_per_10s:>9.2f}{row.drops:>7}")


def figure(value: float | None, width: int) -> str:
    """Format a figure, or a dash where there is none."""
    return "-".rjust(width) if value is None else f"{value:>{width}.2f}"


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each workload, with and without")
    parser.add_argument("--seconds", default="3", help="length of one run of W1, W1p, W2, W3")
    parser.add_argument("--only", help="comma-separated workloads")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("gcc") or not FALCO.is_dir():
        sys.exit("bench/overhead.py needs root, gcc and the upstream rulesets (TERCEL_FALCO_DATA)")
    with tempfile.TemporaryDirectory(prefix="tercel-bench-") as name:
        folder = Path(name)
        program = folder / "workloads"
        subprocess.run(["gcc", "-O2", "-o", program, ROOT / "bench/workloads.c"], check=True)
        runs = workloads(program, folder, args.seconds)
        names = args.only.split(",") if args.only else list(runs)
        rows = measure(names, runs, args.rounds, folder)
    if args.json:
        print(json.dumps([row.__dict__ for row in rows], indent=1))
    else:
        show(rows)


if __name__ == "__main__":
    main()
