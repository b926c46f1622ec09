"""Names come from the account files, and change with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.context.processes import Processes
from agent.context.users import User, Users


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nbad line\napp:x:1000:1000::/home/app:/bin/bash\n"
    )
    (tmp_path / "etc/group").write_text("root:x:0:\napp:x:1000:\n")
    return tmp_path


def test_a_user_has_a_name_a_home_and_a_shell(root: Path) -> None:
    assert Users().user(1000, str(root)) == User(b"app", b"/home/app", b"/bin/bash")
    assert Users().group(1000, str(root)) == b"app"


def test_an_unknown_number_has_no_name(root: Path) -> None:
    assert Users().user(77, str(root)) is None
    assert Users().group(77, str(root)) is None


def test_a_change_is_seen(root: Path) -> None:
    users = Users()
    assert users.user(1001, str(root)) is None
    with (root / "etc/passwd").open("a") as file:
        file.write("new:x:1001:1001::/:/bin/false\n")
    found = users.user(1001, str(root))
    assert found is not None
    assert found.name == b"new"


def test_a_root_without_account_files_has_no_names(tmp_path: Path) -> None:
    assert Users().user(0, str(tmp_path)) is None


def test_processes_from_before_are_known_by_number_and_start() -> None:
    processes = Processes()
    processes.scan()
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) * 10_000_000
    found = processes.find(os.getpid(), start)
    assert found is not None
    assert found.args == Path("/proc/self/cmdline").read_bytes()[:4095]
    assert found.exe == os.fsencode(Path("/proc/self/exe").readlink())


def test_a_number_that_was_taken_again_is_not_known() -> None:
    processes = Processes()
    processes.scan()
    assert processes.find(os.getpid(), 1) is None
