from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from controller.hosts.check import Facts, problems, warnings
from controller.inventory import Connection, Host

GOOD = Facts(
    kernel="6.1.0-18-amd64", machine="x86_64", os="Debian", python=(3, 11, 2), python_path="/usr/bin/python3",
    root=True, btf=True, bcc="0.26.0", runtimes=(), systemd=True, packages="apt-get", agent=None,
    clock_offset=0.0, clock_error=0.01,
)  # fmt: skip
HOST = Host("w1", Connection("w1", user="ops"), ("all",))


def test_a_good_host_is_fit() -> None:
    assert problems(GOOD, HOST) == []
    assert warnings(GOOD) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"root": False}, "let ops use sudo"),
        ({"python": (3, 6, 8)}, "Python 3.6.8 is too old"),
        ({"kernel": "4.18.0-513.el8"}, "5.8 or newer"),
        ({"kernel": "odd"}, "5.8 or newer"),
        ({"btf": False}, "CONFIG_DEBUG_INFO_BTF=y"),
        ({"bcc": None}, "apt-get install python3-bpfcc"),
        ({"bcc": None, "packages": "dnf"}, "dnf install python3-bcc"),
        ({"bcc": None, "packages": None}, "the distribution's bcc"),
    ],
)
def test_what_is_missing_is_told_with_its_fix(changes: dict[str, Any], words: str) -> None:
    (problem,) = problems(dataclasses.replace(GOOD, **changes), HOST)
    assert words in problem


@pytest.mark.parametrize(("offset", "error", "warned"), [(0.9, 0.0, 0), (-3.0, 0.5, 1), (3.0, 2.5, 0)])
def test_a_clock_that_is_surely_off_is_a_warning(offset: float, error: float, warned: int) -> None:
    assert len(warnings(dataclasses.replace(GOOD, clock_offset=offset, clock_error=error))) == warned
