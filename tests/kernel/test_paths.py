"""Paths are made absolute and normalised by their text alone."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kernel.paths import join, normalise, split


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        (b"/etc/passwd", b"/etc/passwd"),
        (b"/etc/../etc/./passwd", b"/etc/passwd"),
        (b"/../../etc", b"/etc"),
        (b"//etc///x/", b"/etc/x"),
        (b"/etc/..hidden", b"/etc/..hidden"),
        (b"/", b"/"),
        (b"/..", b"/"),
    ],
)
def test_dots_and_slashes_are_resolved(given_path: bytes, expected: bytes) -> None:
    assert normalise(given_path) == expected


@given(st.text(alphabet="./ab", max_size=20).map(lambda text: b"/" + text.encode()))
def test_it_agrees_with_the_standard_library(path: bytes) -> None:
    expected = posixpath.normpath(path)
    assert normalise(path) == (expected[1:] if expected.startswith(b"//") else expected)


def test_an_unknown_folder_is_not_available() -> None:
    assert normalise(join(None, b"x")) == b"<NA>/x"


def test_a_file_below_the_root_is_in_the_root() -> None:
    assert split(b"/x") == (b"/", b"x")
    assert split(b"/etc/x") == (b"/etc", b"x")
