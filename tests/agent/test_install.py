"""Installing on a host, from the archive that the controller packs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.bundle import bundle

pytestmark = pytest.mark.live  # it needs root, and starts the daemon


class Host:
    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.environment = {**os.environ, "TERCEL_ROOT": str(root), "PYTHONPATH": ""}

    def run(self, *argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, capture_output=True, text=True, env=self.environment, cwd=cwd, timeout=100, check=False
        )

    def install(self) -> dict[str, Any]:
        done = self.run("/usr/bin/python3", "-E", "-s", "-m", "agent.install", self.folder, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.root / "usr/local/bin/tercel-agent", *arguments)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "unpacked"
    with tarfile.open(fileobj=io.BytesIO(bundle().archive)) as archive:
        archive.extractall(folder)
    host = Host(tmp_path / "root", folder)
    host.root.mkdir()
    yield host
    if (host.root / "usr/local/bin/tercel-agent").exists():
        assert host.agent("stop").returncode == 0


def test_an_installation_puts_the_agent_there_and_starts_it(host: Host) -> None:
    answer = host.install()
    assert answer["changed"] is True
    assert answer["version"] == bundle().version
    assert (host.root / "opt/tercel/current").resolve().name == bundle().version
    status = json.loads(host.agent("status", "--json").stdout)
    assert status["engine"]["mode"].startswith("idle")
    assert status["engine"]["rss_bytes"] < 40_000_000
    for private in ("etc/tercel", "etc/tercel/releases", "var/lib/tercel/spool", "var/lib/tercel/respond"):
        assert (host.root / private).stat().st_mode & 0o777 == 0o700


def test_a_second_installation_changes_nothing(host: Host) -> None:
    host.install()
    assert host.install() == {"changed": False, "version": bundle().version, "notes": []}


def test_a_daemon_that_does_not_run_is_started_again(host: Host) -> None:
    host.install()
    host.agent("stop")
    assert host.install()["changed"] is True
    assert host.agent("status").returncode == 0


def test_a_damaged_file_is_put_right(host: Host) -> None:
    host.install()
    damaged = host.root / "opt/tercel/current/agent/wire.py"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"")
    assert host.install()["changed"] is True
    assert damaged.read_bytes() == whole


def test_an_upgrade_restarts_the_daemon_and_keeps_the_version_before(host: Host) -> None:
    first = host.install()["version"]
    for number in (2, 3):
        (host.folder / "VERSION").write_text(f"0.1.{number}-test\n")
        host.install()
    kept = sorted(path.name for path in (host.root / "opt/tercel/versions").iterdir())
    assert kept == ["0.1.2-test", "0.1.3-test"]
    assert first not in kept
    engine = json.loads(host.agent("status", "--json").stdout)["engine"]
    assert engine["installed"].endswith("0.1.3-test")


def test_a_folder_that_holds_no_agent_is_refused(host: Host) -> None:
    for version in ("", "../../etc\n"):
        (host.folder / "VERSION").write_text(version)
        done = host.run(sys.executable, "-E", "-s", "-m", "agent.install", host.folder, cwd=host.folder)
        assert done.returncode == 1
        assert "is no version" in done.stderr
