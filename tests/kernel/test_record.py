"""Records are taken apart as the probe puts them together."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.kernel import layout
from agent.kernel.record import Part, Record, parts, path

NAMES = st.lists(
    st.binary(min_size=1, max_size=20).filter(lambda b: b"\0" not in b and b"/" not in b),
    min_size=1,
    max_size=6,
)


def part(kind: int, slot: int, content: bytes, end: int = 0) -> bytes:
    return layout.PART.struct.pack(len(content), kind, slot, end) + content + bytes(-len(content) % 8)


@given(NAMES)
def test_a_path_is_its_components_from_the_root(names: list[bytes]) -> None:
    content = b"".join(name + b"\0" for name in reversed(names))
    assert path(Part(content, layout.AT_ROOT)) == b"/" + b"/".join(names)


def test_the_root_is_a_slash() -> None:
    assert path(Part(b"", layout.AT_ROOT)) == b"/"


def test_a_path_that_was_cut_is_marked() -> None:
    assert path(Part(b"c\0b\0", layout.TOO_DEEP)) == b".../b/c"


def test_a_file_without_a_place_has_its_bare_name() -> None:
    assert path(Part(b"memfd:x\0", layout.DETACHED)) == b"memfd:x"


def test_a_path_that_could_not_be_read_is_none() -> None:
    assert path(Part(b"", layout.UNREADABLE)) is None


@given(st.lists(st.tuples(st.integers(1, 14), st.integers(0, 40), st.binary(max_size=100)), max_size=20))
def test_parts_are_found_by_kind_and_slot(given_parts: list[tuple[int, int, bytes]]) -> None:
    data = b"".join(part(*one) for one in given_parts)
    expected = {(kind, slot): content for kind, slot, content in given_parts}
    assert {key: found.content for key, found in parts(data, 0, len(data)).items()} == expected


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    for found in parts(data, 0, len(data)).values():
        path(found)


@given(st.binary(min_size=layout.HEADER.size, max_size=layout.HEADER.size + 400))
def test_a_record_of_any_bytes_can_be_asked(data: bytes) -> None:
    record = Record(data)
    assert isinstance(record.comm, bytes)
    assert record.cgroups == tuple(record.cgroups)
    assert record.cwd is None or isinstance(record.cwd, bytes)


def test_the_layout_is_the_one_that_c_has() -> None:
    """No padding: fields in C lie where Python unpacks them."""
    for one in (layout.HEADER, layout.IDENT, layout.ANCESTOR, layout.FD, layout.CALL, layout.PART):
        aligned = (
            struct.calcsize("@" + one.struct.format.lstrip("<")) if isinstance(one.struct.format, str) else 0
        )
        assert aligned in (0, one.size)
        assert one.size % 8 == 0
