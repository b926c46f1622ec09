"""Falco's recorded answers, suite by suite.

Verdicts (L1) must all agree, but for the cases that ``deviations.txt`` names with a reason;
codes and canonical texts (L2) in 98 of 100.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
DATA = Path(os.environ.get("TERCEL_FALCO_DATA", HERE.parents[1] / "../shared/falco"))
SUITES = sorted(path.stem for path in DATA.glob("cases/*.json") if not path.stem.startswith("d8_events_"))


@lru_cache(maxsize=1)
def results() -> dict[str, Any]:
    command = [sys.executable, str(DATA / "run_cases.py"), "--json"]
    command += ["--adapter", str(HERE / "adapter.py"), "--allow", str(HERE / "deviations.txt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def result(suite: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in results()["suites"] if each["suite"] == suite)
    if found["missing"]:
        pytest.skip(f"the adapter has no function {found['missing']}")
    return found


def deviations() -> set[str]:
    lines = (HERE / "deviations.txt").read_text().splitlines()
    return {line.split("#")[0].strip() for line in lines} - {""}


if not SUITES:
    pytest.skip(f"no cases in {DATA}: set TERCEL_FALCO_DATA", allow_module_level=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", SUITES)
def test_every_verdict_is_falcos_or_a_reasoned_deviation(suite: str) -> None:
    failures = {each["id"]: each for each in result(suite)["failures"] if each["level"] == 1}
    unexpected = sorted(set(failures) - deviations())
    assert not unexpected, json.dumps([failures[each] for each in unexpected[:5]], indent=1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", SUITES)
def test_codes_and_canonical_texts_are_falcos_in_98_of_100(suite: str) -> None:
    share = result(suite)["L2"]
    failures = [each for each in result(suite)["failures"] if each["level"] == 2]
    assert share is None or share >= 98, json.dumps(failures[:5], indent=1)


@pytest.mark.timeout(600)
def test_every_deviation_still_deviates() -> None:
    failed = {each["id"] for suite in results()["suites"] for each in suite["failures"] if each["level"] == 1}
    assert deviations() - failed == set()
