from __future__ import annotations

import pytest

from agent.ed25519 import verify
from agent.release import older_text, signed_text
from controller.errors import HomeError
from controller.home import Home
from controller.signing import Signer


def test_a_key_is_made_once_and_for_its_owner_only(home: Home) -> None:
    assert Signer.open(home).public == Signer.open(home).public
    assert home.signing_key.stat().st_mode & 0o777 == 0o600


def test_hosts_can_verify_what_is_signed(home: Home) -> None:
    signer = Signer.open(home)
    public = bytes.fromhex(signer.public)
    assert verify(public, signed_text(b"{}"), bytes.fromhex(signer.sign(b"{}").value))
    assert verify(public, older_text("1-ab", 3), bytes.fromhex(signer.allow_older("1-ab", 3).value))


def test_a_word_is_no_signature_of_a_release(home: Home) -> None:
    signer = Signer.open(home)
    word = signer.allow_older("1-ab", 3)
    assert not verify(bytes.fromhex(signer.public), signed_text(b"1-ab\n3\n"), bytes.fromhex(word.value))


def test_a_damaged_key_is_told_by_its_name(home: Home) -> None:
    home.signing_key.write_text("no key")
    with pytest.raises(HomeError, match=r"signing\.key"):
        Signer.open(home)
