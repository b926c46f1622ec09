"""Globs, path prefixes and regular expressions."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.language.patterns.glob import compile_glob
from agent.language.patterns.prefix import compile_prefixes
from agent.language.patterns.regex import Dfa, RegexError, compile_regex, is_safe_for_re
from agent.language.patterns.regex_nfa import build
from agent.language.patterns.regex_syntax import parse_regex

FNM_CASEFOLD = 1 << 4
libc = ctypes.CDLL(ctypes.util.find_library("c"))

PIECES = [
    "a",
    "b",
    "B",
    "*",
    "?",
    "[",
    "]",
    "!",
    "^",
    "-",
    "\\",
    "/",
    ".",
    "1",
    ":",
    "[[:digit:]]",
    "[[:upper:]]",
    "[[:no:]]",
    "[=b=]",
    "[a-c]",
    "[!a]",
    "[A-b]",
    "[:",
]
pieces = st.sampled_from([b"\xff", *(piece.encode() for piece in PIECES)])
texts = st.lists(st.sampled_from(list(b"abBcC[]-\\1/.!^\xff:")), max_size=6).map(bytes)


@pytest.mark.parametrize("ignore_case", [False, True])
@given(st.lists(pieces, max_size=7).map(b"".join), texts)
def test_glob_is_fnmatch(ignore_case: bool, pattern: bytes, text: bytes) -> None:  # noqa: FBT001
    expected = libc.fnmatch(pattern, text, FNM_CASEFOLD if ignore_case else 0) == 0
    assert compile_glob(pattern, ignore_case=ignore_case)(text) == expected


def test_glob_star_crosses_slashes_and_dots() -> None:
    assert compile_glob(b"/etc/*.conf")(b"/etc/.d/a.conf")


def test_glob_with_many_stars_is_fast() -> None:
    match = compile_glob(b"*a" * 60 + b"b")
    begin = time.process_time()
    assert not match(b"a" * 20_000)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        (b"/etc", True),
        (b"/etc/", True),
        (b"//etc//passwd", True),
        (b"etc/passwd", True),
        (b"/etcx", False),
        (b"/usr/lib64/x", True),
        (b"/usr/share", False),
        (b"", False),
    ],
)
def test_prefixes_go_by_component(path: bytes, matches: bool) -> None:  # noqa: FBT001
    assert compile_prefixes([b"/etc", b"/usr/lib*"])(path) is matches


def test_prefix_without_components_takes_everything() -> None:
    assert compile_prefixes([b"/"])(b"")


def test_no_prefixes_take_nothing() -> None:
    assert not compile_prefixes([])(b"/etc")


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (b"/etc/.*", b"/etc/passwd", True),
        (b"etc", b"/etc/passwd", False),
        (b"a.c", b"a\nc", False),
        (b"a[^b]c", b"a\nc", True),
        (b"a$\n^b", b"a\nb", True),
        (b"[[:alpha:]]+", b"abC", True),
        (b"(ab|a)(c|bcd)", b"abcd", True),
        (b"x{2,3}", b"xxxx", False),
        (b"a{,2}", b"a{,2}", True),
        (b"\\x{e9}", "é".encode(), True),
        (b".", b"\xff", True),
        ("\ufffd".encode(), b"\xff", True),
        (b"", b"", True),
    ],
)
def test_regex_matches_the_whole_text(pattern: bytes, text: bytes, matches: bool) -> None:  # noqa: FBT001
    assert compile_regex(pattern)(text) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        rb"\d+",
        rb"\bx",
        b"(?i)x",
        b"(?:x)",
        rb"(a)\1",
        b"x{1001}",
        b"(x{40}){40}",
        b"*",
        b"a|*b",
        b"(",
        b")",
        b"[a",
        b"[b-a]",
        b"[a-c-e]",
        b"[[:nope:]]",
        b"x\\",
        b"\xff",
        b"(" * 2000 + b")" * 2000,
        b"(" + b"abc" * 100 + b"){1000}",
    ],
)
def test_regex_refuses_what_re2_refuses(pattern: bytes) -> None:
    with pytest.raises(RegexError):
        compile_regex(pattern)


patterns = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "ab", "c?", "b*", "a{2}", "^", "$", "\n"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map("|".join).map("({})".format),
        inner.map("({})*".format),
        inner.map("({}){{1,2}}".format),
    ),
    max_leaves=6,
)
subjects = st.text(alphabet="abc\n", max_size=7)


@given(patterns, subjects)
def test_the_automaton_agrees_with_python(pattern: str, text: str) -> None:
    tree = parse_regex(pattern.encode())
    # Python's $ also stands before a newline at the very end, as RE2's line anchor does.
    expected = re.compile(pattern, re.MULTILINE).fullmatch(text) is not None
    assert Dfa(build(tree)).matches(text.encode()) == expected
    assert compile_regex(pattern.encode())(text.encode()) == expected


def test_both_engines_are_in_use() -> None:
    assert is_safe_for_re(parse_regex(b"/tmp/[a-z]*[.]sh"))
    assert not is_safe_for_re(parse_regex(b"(a|aa)+b"))


@pytest.mark.parametrize("pattern", [b"(a+)+b", b"(a|aa)+b", b"(.*a){12}x", b"(a?){100}a{100}b"])
def test_regex_has_no_catastrophe(pattern: bytes) -> None:
    match = compile_regex(pattern)
    begin = time.process_time()
    assert not match(b"a" * 4096)
    assert time.process_time() - begin < 5


def test_a_text_that_makes_ever_new_states_keeps_memory_bounded() -> None:
    dfa = Dfa(build(parse_regex(b"(.*a.{14}b)*")))
    text = "".join("ab"[(i * i >> 3) & 1] for i in range(30_000)) + "".join(map(chr, range(0x4E00, 0x9000)))
    dfa.matches(text.encode())
    assert dfa.cached <= 20_001
