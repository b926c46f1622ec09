"""Frames survive any cutting of the byte stream, and a stranger's bytes are refused."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire

messages = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20) | st.none(), max_size=5)


@given(st.lists(st.tuples(messages, st.binary(max_size=50)), max_size=5), st.integers(1, 40))
def test_frames_come_back_whole_however_the_stream_is_cut(
    frames: list[tuple[wire.Message, bytes]], size: int
) -> None:
    stream = b"".join(wire.encode(message, blob) for message, blob in frames)
    decoder, got = wire.Decoder(), []
    for start in range(0, len(stream), size):
        got += decoder.feed(stream[start : start + size])
    assert got == frames


def test_a_length_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError, match="over the limit"):
        wire.Decoder().feed(struct.pack(">II", wire.MAX_JSON + 1, 0))


@pytest.mark.parametrize("text", [b"\xff", b"[1]", b"{", b"null"])
def test_a_frame_that_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(wire.WireError, match="not"):
        wire.Decoder().feed(struct.pack(">II", len(text), 0) + text)


def test_the_greeting_of_a_login_shell_is_refused() -> None:
    with pytest.raises(wire.WireError):
        wire.Decoder().feed(b"Welcome to this host, please behave.\n")


def test_a_blob_is_carried_beside_the_json() -> None:
    assert json.loads(wire.encode({"a": 1}, b"xyz")[8:-3]) == {"a": 1}
