"""The digest is SHA-256, whichever module gives it."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from agent.digest import sha256


@given(st.binary(max_size=300))
def test_it_is_sha_256(content: bytes) -> None:
    assert sha256(content) == hashlib.sha256(content).digest()
