from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ed25519 import _L, verify

# RFC 8032, section 7.1: public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_verify(public: str, message: str, signature: str) -> None:
    assert verify(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@settings(max_examples=25, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_what_the_library_signs_verifies(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert verify(key.public_key().public_bytes_raw(), message, key.sign(message))


@settings(max_examples=40, deadline=None)
@given(bit=st.integers(0, 64 * 8 - 1))
def test_a_changed_bit_of_the_signature_does_not(bit: int) -> None:
    signature = bytearray(KEY.sign(b"release"))
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify(PUBLIC, b"release", bytes(signature))


def test_another_message_or_key_does_not() -> None:
    signature = KEY.sign(b"release")
    assert not verify(PUBLIC, b"releasf", signature)
    assert not verify(Ed25519PrivateKey.generate().public_key().public_bytes_raw(), b"release", signature)


def test_a_second_form_of_the_same_signature_does_not() -> None:
    signature = KEY.sign(b"release")
    scalar = int.from_bytes(signature[32:], "little") + _L
    assert not verify(PUBLIC, b"release", signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize("public", [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"short"])
def test_a_key_that_is_none_does_not(public: bytes) -> None:
    # With the neutral point as key and commitment and a scalar of 0, the bare equation would hold.
    assert not verify(public, b"release", b"\x01" + bytes(63))
