"""What holds of the whole tree: who imports whom, which Python it runs on, what is pinned."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
TOOLS = Path(sys.executable).parent


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / argv[0], *argv[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", Requirement(requirement).name).lower()


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "requirements/lock.txt").read_text().splitlines()
    return {name(line): Requirement(line) for line in lines if not line.startswith("#")}


def test_imports_go_one_way() -> None:
    done = run("lint-imports", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_runs_on_hosts_runs_on_python_3_9() -> None:
    done = run("vermin", "--target=3.9-", "--no-tips", "--violations", "agent", "responders")
    assert done.returncode == 0, done.stdout


def test_every_dependency_is_pinned_to_a_version_that_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
    wanted += project["project"]["optional-dependencies"]["dev"]
    pinned = pins()
    for requirement in map(Requirement, wanted):
        specifier = pinned[name(str(requirement))].specifier
        assert [each.operator for each in specifier] == ["=="], requirement
        assert requirement.specifier.contains(next(iter(specifier)).version), requirement


def test_pins_name_versions_and_no_place_to_get_them_from() -> None:
    assert [str(pin) for pin in pins().values() if pin.url or not pin.specifier] == []
