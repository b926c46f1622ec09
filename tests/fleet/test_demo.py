"""``make demo`` as a newcomer runs it: to its end, interrupted, killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.fleet import leftovers, sweep

pytestmark = [pytest.mark.fleet, pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "demo"]


@contextmanager
def started(step: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo, in a process group of its own, just as it begins ``step``; and its fleet's id."""
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        said = ""
        try:
            while not (line := process.stdout.readline()).startswith(f"{step}/6"):
                assert line, said
                said += line
            found = re.search(r"tercel-fleet-([0-9a-f]+)", said)
            assert found, said
            yield process, found[1]
        finally:
            process.kill()


def test_the_demo_shows_every_step_and_leaves_nothing() -> None:
    done = subprocess.run(COMMAND, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\d)/6 ", done.stdout, re.MULTILINE) == list("123456")
    found = re.search(r"tercel-fleet-([0-9a-f]+)", done.stdout)
    assert found
    assert leftovers(found[1]) == []


@pytest.mark.parametrize(
    ("step", "number"), [("3", signal.SIGINT), ("5", signal.SIGINT), ("4", signal.SIGTERM)]
)
def test_an_interrupted_demo_leaves_nothing(step: str, number: signal.Signals) -> None:
    with started(step) as (process, fleet):
        time.sleep(1.5)
        os.killpg(process.pid, number)  # as a terminal does with Ctrl-C: to everything in the foreground
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130, output
    assert leftovers(fleet) == []


def test_what_a_killed_demo_leaves_is_swept_by_the_next_start() -> None:
    with started("5") as (process, fleet):
        process.kill()
        process.wait(10)
        assert leftovers(fleet) != []
        sweep()
    deadline = time.monotonic() + 10
    while left := leftovers(fleet):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
