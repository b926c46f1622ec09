"""Where capture cannot begin, one message says why and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.kernel import build, capture, tree
from agent.kernel.btf import Btf
from agent.kernel.capture import Capture
from agent.kernel.errors import CaptureError, KernelError


def test_without_root_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KernelError, match="run the agent as root"):
        Capture(frozenset({"openat"})).start()


def test_without_btf_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="CONFIG_DEBUG_INFO_BTF"):
        Btf.of_kernel(str(tmp_path / "vmlinux"))


def test_a_file_that_is_no_btf_is_refused() -> None:
    with pytest.raises(KernelError, match="no known format"):
        Btf(bytes(64))


def test_without_bcc_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bcc", None)
    with pytest.raises(KernelError, match="python3-bpfcc"):
        build._bcc()


def test_another_module_named_bcc_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bcc", __import__("types").ModuleType("bcc"))
    with pytest.raises(KernelError, match="BPF Compiler Collection"):
        build._bcc()


def test_an_unknown_event_type_is_named() -> None:
    with pytest.raises(CaptureError, match="opem"):
        Capture(frozenset({"openat", "opem"}))


def test_a_capture_that_was_not_started_says_so() -> None:
    with pytest.raises(CaptureError, match=r"start\(\)"):
        Capture(frozenset({"openat"})).fileno()


def test_closing_twice_is_no_error() -> None:
    made = Capture(frozenset({"openat"}))
    made.close()
    made.close()


@pytest.mark.parametrize("release", ["6.1.0-18-amd64", "5.10", "6.18.44-fc-v669", "7-rc1"])
def test_headers_are_written_for_any_kernel_name(tmp_path: Path, release: str) -> None:
    tree.write(tmp_path, release)
    assert "KERNEL_VERSION" in (tmp_path / "include/linux/kconfig.h").read_text()


def test_what_capture_gives_is_told_before_it_starts() -> None:
    assert {"openat", "execve", "connect", "procexit", "fchmodat2"} <= capture.supported_event_types()
    assert "page_fault" not in capture.supported_event_types()
    assert capture.supports_field("proc.aname[7]")
    assert capture.supports_field("evt.arg.flags")
    assert capture.supports_field("fd.ip")
    assert not capture.supports_field("no.such.field")
