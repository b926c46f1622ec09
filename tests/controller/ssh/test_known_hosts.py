from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.errors import HostKeyError
from controller.ssh.hostkey import Trust
from controller.ssh.known_hosts import fingerprint, host_id, lookup

KEY = base64.b64encode(b"key-one").decode()
OTHER = base64.b64encode(b"key-two").decode()


def blobs(text: str, name: str) -> list[bytes]:
    return [key.blob for key in lookup(text, name, "kh")]


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        ("web1", "web1", True),
        ("web1", "web10", False),
        ("WEB1,10.0.0.1", "web1", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com,!b.example.com", "b.example.com", False),
        ("[web1]:2222", "[web1]:2222", True),
        ("web1", "[web1]:2222", False),
        ("web?", "web1", True),
    ],
)
def test_patterns_match_as_in_openssh(patterns: str, name: str, matches: bool) -> None:  # noqa: FBT001
    assert bool(blobs(f"{patterns} ssh-ed25519 {KEY} comment", name)) is matches


def test_a_hashed_name_is_found(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    real = "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    file.write_text(f"[web1]:2222 ssh-ed25519 {real}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert "web1" not in file.read_text()
    assert blobs(file.read_text(), "[web1]:2222") == [base64.b64decode(real)]
    assert blobs(file.read_text(), "web1") == []


def test_the_port_is_part_of_the_name_unless_it_is_22() -> None:
    assert (host_id("Web1", 22), host_id("web1", 2222)) == ("web1", "[web1]:2222")


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_looked_through(text: str) -> None:
    lookup(text, "web1", "kh")


def trust(text: str) -> Trust:
    return Trust("web1", "[10.0.0.1]:2222", Path("kh"), tuple(lookup(text, "[10.0.0.1]:2222", "kh")))


def test_the_known_key_is_accepted() -> None:
    trust(f"[10.0.0.1]:2222 ssh-ed25519 {KEY}\n").check("ssh-ed25519", b"key-one")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^web1: its host key is unknown: .*SHA256:.*ssh-keyscan -p 2222 10\.0\.0\.1 >> kh"),
        (
            f"# c\n[10.0.0.1]:2222 ssh-ed25519 {OTHER}\n",
            r"^web1: .*not the one in kh:2.*ssh-keygen -R '\[10\.0\.0\.1\]:2222' -f kh",
        ),
        (f"[10.0.0.1]:2222 ssh-ed25519 {KEY}\n@revoked * ssh-ed25519 {KEY}\n", r"^web1: .*revoked \(kh:2\)"),
    ],
)
def test_a_key_that_is_not_trusted_is_refused_with_the_fix(text: str, message: str) -> None:
    with pytest.raises(HostKeyError, match=message):
        trust(text).check("ssh-ed25519", b"key-one")


def test_only_kinds_of_key_that_are_known_are_asked_for() -> None:
    offered = ("ssh-ed25519", "rsa-sha2-512", "ecdsa-sha2-nistp256")
    assert trust(f"[10.0.0.1]:2222 ssh-rsa {KEY}").algorithms(offered) == ("rsa-sha2-512",)
    assert trust("").algorithms(offered) == offered


def test_a_fingerprint_is_what_ssh_keygen_shows(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "k.pub"], check=True, capture_output=True, text=True
    ).stdout
    assert fingerprint(base64.b64decode((tmp_path / "k.pub").read_text().split()[1])) in shown
