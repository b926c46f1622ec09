"""Types: which operators, constants and transformers a field takes, and what they become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from agent.fields.catalogue import CATALOGUE, FieldInfo
from agent.fields.types import INTEGER_RANGES, Type
from agent.language import tree, typed
from agent.language.check import Checked, Problem, check
from agent.language.parser import parse

from .conditions import conditions

MOCKS = CATALOGUE.with_fields(
    [
        FieldInfo("t.str", Type("CHARBUF")),
        FieldInfo("t.path", Type("FSPATH")),
        FieldInfo("t.buf", Type("BYTEBUF")),
        FieldInfo("t.strs", Type("CHARBUF", is_list=True)),
        FieldInfo("t.u64s", Type("UINT64", is_list=True)),
        FieldInfo("t.i64s", Type("INT64", is_list=True)),
        FieldInfo("t.bool", Type("BOOL")),
        FieldInfo("t.dbl", Type("DOUBLE")),
        FieldInfo("t.ip", Type("IPADDR")),
        FieldInfo("t.net", Type("IPNET"), no_rhs=True, no_transformer=True),
        *(FieldInfo(f"t.{name.lower()}", Type(name)) for name in INTEGER_RANGES),
    ]
)


def checked(text: str, *, wrap: bool = False) -> Checked:
    return check(parse(text.encode()), MOCKS, wrap_integers=wrap)


def good(text: str, *, wrap: bool = False) -> typed.Check:
    result = checked(text, wrap=wrap)
    assert result.problems == ()
    assert isinstance(result.condition, typed.Check)
    return result.condition


def message(text: str) -> str:
    result = checked(text)
    assert result.condition is None
    return result.problems[0].message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("t.str = x", b"x"),
        ('t.buf = "\\x00\\xff"', b"\x00\xff"),
        ("t.buf bcontains 0aFF", b"\x0a\xff"),
        ("t.int64 = 010", 10),
        ('t.int64 = " +5"', 5),
        ("t.int8 = -128", -128),
        ("t.uint64 = 18446744073709551615", 2**64 - 1),
        ("t.bool = true", True),
        ("t.dbl = 2", 2.0),
        ("t.port = https", 443),
        ('t.port = ""', 0),
        ("t.ip = 10.0.0.1", b"\x0a\x00\x00\x01"),
        ("t.ip = ::1", bytes(15) + b"\x01"),
        ("t.net = 10.1.2.3/8", (b"\x0a\x00\x00\x00", 8)),
        ("t.net = 2001:db8::1/32", (bytes.fromhex("20010db8") + bytes(12), 32)),
    ],
)
def test_a_constant_is_a_value_of_the_fields_type(text: str, value: Any) -> None:
    found = good(text).value
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("t.int64 = 5abc", "5abc is not a valid number"),
        ("t.int64 = 0x10", "0x10 is not a valid number"),
        ('t.int64 = "5 "', "5  is not a valid number"),
        ("t.dbl = 1.5", "1.5 is not a valid number"),
        ("t.uint8 = 256", "256 is out of range for UINT8: it goes from 0 to 255"),
        ("t.uint64 = -1", "-1 is out of range for UINT64: it goes from 0 to 18446744073709551615"),
        ("t.port = 65536", "65536 is out of range for PORT: it goes from 0 to 65535"),
        ("t.port = nosuch", "unrecognized protocol nosuch"),
        ("t.bool = yes", "filter error: unrecognized boolean value yes"),
        ("t.ip = 1.2.3", "unrecognized IPv4 address 1.2.3"),
        ("t.ip = 1.2.3.04", "unrecognized IPv4 address 1.2.3.04"),
        ("t.ip = ::ffff:1.2.3.4", "unrecognized IPv4 address ::ffff:1.2.3.4"),
        ("t.ip = fe80::1%eth0", "unrecognized IPv6 address fe80::1%eth0"),
        ("t.net = 10.0.0.0", "unrecognized IP network 10.0.0.0"),
        ("t.net = 10.0.0.0/33", "invalid netmask 33"),
        ("t.net = 10.0.0.0/255.0.0.0", "255.0.0.0 is not a valid number"),
        ("t.net = ::/0", "invalid v6 netmask 0"),
        ("t.str = " + "a" * 256, "filter parameter too long (used=257, available=256):" + "a" * 256),
        ('t.str = "\\x00"', "filter error: filter value cannot contain a NUL byte (\\x00)"),
        ("t.buf bcontains 4", "filter error: bcontains and bstartswith operator support hex strings only"),
        ('t.str regex "(a"', "invalid regex pattern: missing ): (a"),
        ("evt.type in (open, opne)", "unknown event type opne"),
        ("syscall.type = opne", "unknown event type opne"),
        ("evt.around[5] != 1", "evt.around supports only '=' comparison operator"),
        ("t.int64 = " + "9" * 100_000, "100000000000000000000 is out of range for INT64"),
    ],
)
def test_a_constant_of_another_type_is_refused(text: str, wrong: str) -> None:
    assert message(text).startswith(wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("t.uint8 = 256", 0),
        ("t.int8 = 128", -128),
        ("t.uint32 = -1", 2**32 - 1),
        ("t.uint64 = -1", 2**64 - 1),
        ("t.uint64 = " + "9" * 30, 2**64 - 1),
        ("t.int64 = -" + "9" * 30, -(2**63)),
        ("t.dbl = " + "9" * 30, float(2**63 - 1)),
        ("t.net = 10.0.0.0/264", (b"\x0a\x00\x00\x00", 8)),
    ],
)
def test_integers_out_of_range_wrap_as_falcos_only_if_asked(text: str, value: Any) -> None:
    assert good(text, wrap=True).value == value


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("t.int64 contains 1", "filter error: 'contains' operator not supported for numeric filters"),
        ("t.bool > 1", "filter error: '>' operator not supported for numeric filters"),
        ("t.path bcontains 41", "filter error: 'bcontains' operator not supported for string filters"),
        ("t.buf < 1", "filter error: '<' operator not supported for buffer filters"),
        ("t.ip glob 1*", "filter error: 'glob' operator not supported for ip address and network filters"),
        (
            "t.ip glob anyof (1*)",
            "filter error: 'glob' with modifier not supported for ip address and network filters",
        ),
        ("t.strs = x", "filter error: '=' operator not supported list filters"),
        ("t.i64s in (1)", "filter error: list filters are not supported for type 'INT64'"),
        ("evt.rawarg.addr = x", "filter error: '=' operator not supported for type 'SOCKADDR'"),
    ],
)
def test_an_operator_that_the_type_does_not_take_is_refused(text: str, wrong: str) -> None:
    assert message(text) == wrong


def test_equals_has_one_spelling() -> None:
    assert good("t.str == x") == good("t.str = x")
    assert good("t.str == x").op == "="


def test_lists_of_constants_keep_their_order_and_their_doubles() -> None:
    assert good("t.str in (b, a, b)").values == (b"b", b"a", b"b")
    assert good("t.str = oneof (a, a)").modifier == "oneof"
    assert good("t.strs intersects ()").values == ()


def test_the_name_of_an_undefined_list_is_its_only_item() -> None:
    assert good("t.str in shells").values == (b"shells",)


def test_fields_know_their_key_and_their_argument() -> None:
    left = good("proc.aname[2] = bash").left
    assert isinstance(left, typed.Field)
    assert (left.key, left.arg, left.info.name) == ("proc.aname[2]", "2", "proc.aname")


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("tolower(t.path) exists", "FSPATH"),
        ("toupper(t.strs) exists", "list of CHARBUF"),
        ("b64(t.buf) exists", "BYTEBUF"),
        ("len(t.i64s) exists", "UINT64"),
        ("len(t.str) exists", "UINT64"),
        ('join(",", t.strs) exists', "CHARBUF"),
        ('concat(t.str, "x") exists', "CHARBUF"),
        ('getopt(t.strs, "a:") exists', "list of CHARBUF"),
        ('getopt(t.strs, "a:")[a] exists', "CHARBUF"),
        ('len(("a", t.str)) exists', "UINT64"),
    ],
)
def test_transformers_have_result_types(text: str, type_: str) -> None:
    assert str(good(text).left.type) == type_


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (
            "len(len(t.str)) = 1",
            (
                "can't add field transformer: type 'UINT64' is not supported by 'len' transformer applied on "
                "field 't.str'"
            ),
        ),
        (
            "b64(t.u64s) exists",
            (
                "can't add field transformer: type 'UINT64' is not supported by 'b64' transformer applied on "
                "list field 't.u64s'"
            ),
        ),
        ("tolower(t.net) exists", "field 't.net' does not support transformers"),
        ("tolower(proc.aname) exists", "field 'proc.aname' does not support transformers"),
        ("tolower(t.str)[x] exists", "filter error: transformer 'tolower' does not support field arguments"),
        ("tolower(t.str, t.str) exists", "transformer 'tolower' takes one argument, not 2"),
        ('join(t.strs, ",") exists', "join() first argument (separator) must be a single value, not a list"),
        ('join(",", t.str) exists', "join() second argument must be a list"),
        ('join(",", t.u64s) exists', "join() arguments must be strings"),
        ("concat(t.str) exists", "concat() requires at least 2 arguments"),
        ("concat(t.str, t.path) exists", "concat() arguments must be strings"),
        ('getopt(t.str, "a") exists', "getopt() first argument must be a list"),
        (
            'getopt(t.strs, "a")[ab] exists',
            "getopt() field argument must be a single option character",
        ),
        (
            "len((t.strs)) = 1",
            "a list in brackets holds single strings, and this is of type 'list of CHARBUF'",
        ),
    ],
)
def test_a_transformer_refuses_what_it_cannot_take(text: str, wrong: str) -> None:
    assert message(text) == wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("t.str regex val(t.str)", "operator 'regex' doesn't support right-hand side fields"),
        ("t.net = val(t.ip)", "field type 'IPNET' doesn't support right-hand side fields"),
        ("proc.aname = val(t.str)", "field 'proc.aname' doesn't support right-hand side fields"),
        ("t.ip = val(t.net)", "field 't.net' can't be used as a right-hand side field"),
        (
            "t.str = val(t.path)",
            (
                "field 't.str' has type 'CHARBUF' while the right-hand side field 't.path' has incompatible "
                "type 'FSPATH'"
            ),
        ),
        (
            "t.str in val(t.strs)",
            (
                "field 't.str' has type 'CHARBUF' while the right-hand side field 't.strs' has incompatible "
                "type 'CHARBUF (list)'"
            ),
        ),
        ("t.str = val(t.str)[0]", "filter error: transformer 'val' does not support field arguments"),
    ],
)
def test_a_field_on_the_right_must_be_of_the_same_type(text: str, wrong: str) -> None:
    assert message(text) == wrong


def test_a_field_on_the_right_may_be_transformed() -> None:
    expression = good("t.uint64 < len(t.strs)").expression
    assert isinstance(expression, typed.Transform)
    assert expression.name == "len"


def test_every_problem_of_a_condition_is_reported_with_its_place() -> None:
    result = checked("t.nosuch = 1 or (t.int64 = x and not evt.type = opne) or m")
    assert result.problems == (
        Problem("filter_check called with nonexistent field t.nosuch", 0),
        Problem("x is not a valid number", 27),
        Problem("unknown event type opne", 48),
        Problem("filter error: unexpected identifier 'm'", 57),
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("t.str = proc.pname", "'proc.pname' may be a valid field misused as a const string value"),
        (
            "t.str in ('proc.aname[2]')",
            "'proc.aname[2]' may be a valid field misused as a const string value",
        ),
        (
            "t.str = 'toupper( proc.pname)'",
            "'toupper( proc.pname)' may be a valid field transformer misused as a const string value",
        ),
        (
            "t.str regex '.*abc'",
            (
                "regex check with '.*abc' may be optimized with simpler operators such as "
                "'=', 'contains', 'startswith', 'endswith'"
            ),
        ),
    ],
)
def test_doubtful_constants_give_a_hint(text: str, hint: str) -> None:
    assert [each.message for each in checked(text).hints] == [hint]


@pytest.mark.parametrize("text", ["t.str = a.txt", "t.str regex 'a[bc]'", "t.str = tolower"])
def test_ordinary_constants_give_no_hint(text: str) -> None:
    assert checked(text).hints == ()


def test_deep_trees_are_checked() -> None:
    node: tree.Condition = parse(b"t.str exists")
    for _ in range(20_000):
        node = tree.Not(tree.And((node, tree.Check(tree.Field("t.bool"), "exists"))))
    assert check(node, MOCKS).problems == ()


@given(conditions())
def test_any_condition_is_typed_or_gives_located_problems(node: tree.Condition) -> None:
    result = check(node, MOCKS)
    assert (result.condition is None) == bool(result.problems)
