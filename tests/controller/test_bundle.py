from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

from packaging.specifiers import SpecifierSet

from controller import bundle as bundling
from controller.bundle import bundle, vendored


def unpack(folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(bundle().archive), mode="r:gz") as archive:
        archive.extractall(folder)


def test_the_same_files_give_the_same_bytes() -> None:
    first = bundle()
    bundling.bundle.cache_clear()
    assert bundle() == first


def test_the_version_names_the_build(tmp_path: Path) -> None:
    unpack(tmp_path)
    assert (tmp_path / "VERSION").read_text() == f"{bundle().version}\n"


def test_everything_that_goes_along_runs_on_python_3_9() -> None:
    for one in vendored():
        assert SpecifierSet(one.metadata["Requires-Python"] or "").contains("3.9.0"), one.name


def test_the_agent_runs_from_the_archive_alone(tmp_path: Path) -> None:
    unpack(tmp_path)
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[1] + '/vendor']; "
        "import agent.cli, agent.language, agent.link.verbs, lark, yaml, requests; "
        "print([m.__file__.startswith(sys.argv[1]) for m in (agent, lark, yaml, requests)])"
    )
    argv = [sys.executable, "-I", "-S", "-c", code, str(tmp_path)]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip() == str([True] * 4)


def test_nothing_compiled_goes_along(tmp_path: Path) -> None:
    unpack(tmp_path)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert not suffixes & {".so", ".pyc", ".pyd"}
    assert list((tmp_path / "vendor").rglob("LICENSE*"))
