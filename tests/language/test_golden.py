"""What ``tercel rules check`` says about broken files, word for word.

``TERCEL_WRITE_GOLDEN=1`` writes what it says now; read it before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.language import RulesFile, load
from controller.rules.render import Renderer

FILES = sorted((Path(__file__).parent / "golden").glob("*.yaml"))


def shown(path: Path) -> str:
    files = [RulesFile(path.name, path.read_bytes())]
    renderer = Renderer(files)
    blocks = ["\n".join(line.text for line in renderer.render(item)) for item in load(files).diagnostics]
    return "\n\n".join(blocks) + "\n"


def test_there_are_twenty_of_them() -> None:
    assert len(FILES) >= 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_message_is_the_agreed_one(path: Path) -> None:
    expected = path.with_suffix(".expected")
    if os.environ.get("TERCEL_WRITE_GOLDEN"):
        expected.write_text(shown(path), encoding="utf-8")
    assert shown(path) == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_error_has_a_place_and_says_what_to_do(path: Path) -> None:
    loaded = load([RulesFile(path.name, path.read_bytes())])
    assert loaded.diagnostics
    for item in loaded.diagnostics:
        assert item.file == path.name
        assert item.place.line < len(path.read_text(encoding="utf-8").splitlines())
        assert item.hint, item.message


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_control_character_reaches_the_terminal(path: Path) -> None:
    assert all(char.isprintable() or char == "\n" for char in shown(path))
