"""The filter made from rules, in the kernel: the same alerts with it and without it, from fewer events."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.compiler.engine import Engine, EngineSettings
from agent.compiler.filter.c_text import c_text
from agent.compiler.filter.plan import KernelFilter
from agent.language import Ruleset, RulesFile, load

if TYPE_CHECKING:
    from conftest import Watch

    from agent.event import Event

    NewWatch = Callable[[frozenset[str], str], Watch]

pytestmark = pytest.mark.live

RULES = b"""
- macro: opened
  condition: evt.type in (open, openat, openat2) and fd.num >= 0
- macro: read
  condition: opened and evt.is_open_read = true
- macro: write
  condition: (opened or evt.type = creat) and evt.is_open_write = true
- rule: the end of an act
  desc: a failed open, which the filter cannot know the name of
  condition: evt.type = openat and fd.name startswith /tercel-live-test
  output: end
  priority: DEBUG
- rule: secret
  desc: exact names, directories and a name
  condition: >
    read and (fd.name in (/etc/shadow, /etc/gshadow) or fd.directory = /etc/pam.d) and not proc.name = sshd
  output: read %fd.name %evt.type
  priority: WARNING
- rule: beginning
  desc: a prefix, an end, a file name, a flag
  condition: >
    write and (fd.name startswith /tmp/tercel-filter/deep/ or fd.name endswith .evil or fd.filename = bad
    or evt.arg.flags contains O_TRUNC) and not fd.name = /tmp/tercel-filter/quiet
  output: written %fd.name %evt.type
  priority: WARNING
- rule: traversal
  desc: the path as passed
  condition: opened and fd.nameraw contains ../
  output: traversal %fd.nameraw
  priority: WARNING
- rule: below
  desc: pmatch and glob
  condition: read and (fd.name pmatch (/proc/self) or fd.name glob /etc/h?stname)
  output: below %fd.name
  priority: WARNING
- rule: raw socket
  desc: an address family
  condition: evt.type = socket and evt.arg.domain contains AF_PACKET
  output: socket
  priority: WARNING
- rule: undecidable
  desc: nothing that the kernel knows
  condition: evt.type = mkdir and proc.cmdline contains nothing-like-this
  output: never
  priority: WARNING
"""


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    loaded = load([RulesFile("rules.yaml", RULES)])
    assert loaded.ruleset is not None, loaded.errors
    return loaded.ruleset


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    yield
    shutil.rmtree("/tmp/tercel-filter", ignore_errors=True)


@pytest.fixture(scope="module")
def plain(ruleset: Ruleset, watch_with: NewWatch) -> Watch:
    return watch_with(Engine.build(ruleset).event_types, "")


@pytest.fixture(scope="module")
def filtered(ruleset: Ruleset, watch_with: NewWatch) -> Watch:
    forms = KernelFilter.build(ruleset.active_rules).forms
    return watch_with(frozenset(forms), c_text(forms))


def opened(path: str, flags: int = os.O_RDONLY) -> None:
    with suppress(OSError):
        os.close(os.open(path, flags, 0o600))


def workload() -> None:
    folder = Path("/tmp/tercel-filter/deep")
    folder.mkdir(parents=True, exist_ok=True)
    write = os.O_WRONLY | os.O_CREAT
    for path in (
        "/etc/shadow",
        "/etc/hostname",
        "/etc/../etc/shadow",
        "//etc/shadow",
        "/etc/./shadow",
        "/etc",
    ):
        opened(path)
    opened("/usr/lib/../../etc/shadow")
    opened("/" + "./" * 150 + "etc/shadow")
    opened("/etc/nothing-here")
    opened("/etc/pam.d/login")
    opened("/etc/pam.d", os.O_RDONLY | os.O_DIRECTORY)
    opened("/etc/shadow", os.O_RDWR)
    opened("/proc/self/stat")
    opened("/proc/selfish")
    os.chdir("/etc")
    opened("shadow")
    opened("../etc/gshadow")
    opened("/tmp/tercel-filter/deep/x", write)
    opened("/tmp/tercel-filter/deepx", write)
    opened("/tmp/tercel-filter/quiet", write | os.O_TRUNC)
    opened("/tmp/tercel-filter/other", write | os.O_TRUNC)
    opened("/tmp/tercel-filter/a.evil", write)
    opened("/tmp/tercel-filter/bad", write)
    opened("/tmp/tercel-filter/" + "y" * 240, write)
    opened("/tmp/tercel-filter/" + "d/" * 130 + "z.evil", write)
    for family in (socket.AF_INET, socket.AF_PACKET):
        with suppress(OSError):
            socket.socket(family, socket.SOCK_RAW).close()
    for _ in range(200):
        opened("/usr/lib/os-release")


def alerts(ruleset: Ruleset, events: list[Event]) -> list[str]:
    engine = Engine.build(ruleset, EngineSettings(rule_matching="all"))
    return [f"{alert.rule}: {alert.output}" for event in events for alert in engine.match(event)]


def test_the_filter_changes_no_alert(ruleset: Ruleset, plain: Watch, filtered: Watch) -> None:
    without, within = plain.act(workload), filtered.act(workload)
    expected = alerts(ruleset, without)
    assert alerts(ruleset, within) == expected
    assert {line.partition(":")[0] for line in expected} == {
        "secret",
        "beginning",
        "traversal",
        "below",
        "raw socket",
    }
    assert len(within) < len(without) - 200


@pytest.mark.parametrize(
    "act",
    [
        lambda: opened("/usr/lib/os-release"),
        lambda: opened("/etc/passwd"),
        lambda: opened("/tmp/tercel-filter/quiet", os.O_WRONLY),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
    ],
)
def test_what_no_rule_asks_for_never_leaves_the_kernel(filtered: Watch, act: Callable[[], None]) -> None:
    names = [event["fd.name"] or b"" for event in filtered.act(act)]
    assert not [name for name in names if not name.startswith(b"/tercel-live-test")]
