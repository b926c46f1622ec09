"""Conditions: what they say as a tree, where they break, and that nothing takes long."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.language import parser, tree
from agent.language.canonical import canonical, source
from agent.language.errors import ConditionSyntaxError, line_and_column
from agent.language.lexing import QUOTED
from agent.language.parser import MAX_QUOTES, MAX_TEXT, parse

from .conditions import conditions


def check(text: bytes) -> tree.Check:
    node = parse(text)
    assert isinstance(node, tree.Check)
    return node


def refused(text: bytes, depth_limit: int = 1000) -> ConditionSyntaxError:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text, depth_limit)
    return caught.value


def test_not_binds_tighter_than_and_and_and_tighter_than_or() -> None:
    a, b, c = tree.Macro("a"), tree.Macro("b"), tree.Macro("c")
    assert parse(b"not a and b or c") == tree.Or((tree.And((tree.Not(a), b)), c))


def test_chains_are_one_node_and_brackets_keep_theirs() -> None:
    a, b, c = tree.Macro("a"), tree.Macro("b"), tree.Macro("c")
    assert parse(b"a and b and c") == tree.And((a, b, c))
    assert parse(b"a and (b and c)") == tree.And((a, tree.And((b, c))))


@pytest.mark.parametrize(("nots", "negated"), [(1, True), (2, False), (5, True)])
def test_nots_in_a_row_cancel_out(nots: int, negated: bool) -> None:  # noqa: FBT001 # a parameter
    assert parse(b"not " * nots + b"a") == (tree.Not(tree.Macro("a")) if negated else tree.Macro("a"))


def test_keywords_are_names_where_an_operand_is_expected() -> None:
    assert parse(b"or or or") == tree.Or((tree.Macro("or"), tree.Macro("or")))
    assert parse(b"not not") == tree.Not(tree.Macro("not"))


def test_a_bare_word_after_a_list_operator_names_a_list() -> None:
    assert check(b"proc.name in shells").right == tree.ListRef("shells")
    assert check(b"proc.name in (shells)").right == tree.LiteralList((tree.Literal(b"shells"),))


def test_a_modifier_needs_a_list_and_is_a_plain_word_without() -> None:
    assert check(b"proc.name = anyof (a, b)").modifier == "anyof"
    assert check(b"proc.name = anyof").right == tree.Literal(b"anyof")
    assert parse(b"proc.name = oneof and c") == tree.And(
        (tree.Check(tree.Field("proc.name"), "=", tree.Literal(b"oneof")), tree.Macro("c"))
    )


def test_a_backspace_is_a_blank_before_a_bare_string_and_part_of_it_inside() -> None:
    assert check(b"a.b = \bx\by").right == tree.Literal(b"x\by")
    assert check(b"a.b in (\bx\b, \by)").right == tree.LiteralList((tree.Literal(b"x\b"), tree.Literal(b"y")))


def test_arguments_stand_in_brackets_quoted_or_not() -> None:
    assert check(b"proc.aname[2] exists").left == tree.Field("proc.aname", b"2")
    assert check(b"proc.env['A B'] exists").left == tree.Field("proc.env", b"A B")
    assert check(b'proc.env[""] exists').left == tree.Field("proc.env", b"")


def test_transformers_nest_on_both_sides() -> None:
    node = check(b'join(",", (proc.name, "x")) = toupper(val.a)')
    assert node.left == tree.Transform(
        "join", (tree.Literal(b","), tree.ArgumentList((tree.Field("proc.name"), tree.Literal(b"x"))))
    )
    assert node.right == tree.Transform("toupper", (tree.Field("val.a"),))


def test_nodes_know_their_byte_offset() -> None:
    node = parse("a.b = é and c.d in (x, y)".encode())
    assert isinstance(node, tree.And)
    second = node.items[1]
    assert isinstance(second, tree.Check)
    assert isinstance(second.right, tree.LiteralList)
    assert [second.pos, second.right.pos, second.right.items[1].pos] == [13, 20, 24]


@pytest.mark.parametrize(
    ("text", "message", "pos"),
    [
        (b"", "filter input string is empty", 0),
        (b"a and", "expected blank or '(' after 'and'", 5),
        (b"a b", "unexpected token after 'a', expecting 'or', 'and'", 2),
        (b"(a", "expected a ')' token", 2),
        (b"proc.name", "expected a valid check operator: one of 'exists'", 9),
        (b"a.b = tolower(c.d", "expected a ')' token closing the transformer", 17),
        (b"a.b = val(c)", "expected a field within 'val' transformer", 10),
        (b"a.b in (x,)", "expected a string value", 10),
        (b"a.b < x", "expected a number value or a field with a valid transformer: 'val'", 6),
        (b"a.b[] = x", "expected a valid field argument: a quoted string or a bare string", 4),
        (b'a.b = "\\q"', "unsupported string escape sequence: \\q", 10),
        (b"\"x\" = '\\q'", "expected a '(' token, a field check, or an identifier", 0),
    ],
)
def test_what_does_not_parse_says_where_and_what_was_expected(text: bytes, message: str, pos: int) -> None:
    error = refused(text)
    assert error.message.startswith(message)
    assert error.pos == pos


def test_an_escape_that_does_not_exist_is_refused_in_every_item_of_a_list() -> None:
    # Upstream takes a list whose first item has one as the empty list, which never matches.
    assert refused(b'a.b in ("\\q")').pos == 12
    assert refused(b'a.b in (x, "\\q")').pos == 15


def test_the_grammar_and_the_scanner_agree_what_a_quoted_string_is() -> None:
    terminals = {terminal.name: terminal.pattern.to_regexp() for terminal in parser._parser().terminals}
    assert terminals["QUOTED"] == re.compile(rf"(?:{QUOTED})").pattern.replace("\\x00", "\x00")


def test_messages_stay_short_whatever_the_text() -> None:
    assert len(refused(b"a.b = " + b"x" * 100_000 + b" y").message) < 400


def test_lines_end_at_carriage_returns_and_line_feeds() -> None:
    assert line_and_column(b"a\r\nb c", 5) == (3, 3)


@pytest.mark.parametrize(("brackets", "limit"), [(19, 100), (199, 1000)])
def test_brackets_nest_as_deep_as_upstream_allows(brackets: int, limit: int) -> None:
    assert parse(b"(" * brackets + b"a" + b")" * brackets, limit) == tree.Macro("a")
    deeper = b"(" * (brackets + 1) + b"a" + b")" * (brackets + 1)
    assert refused(deeper, limit).message == f"exceeded max depth limit of {limit}"


def test_transformers_nest_so_deep_that_walking_them_is_safe() -> None:
    def nested(count: int) -> bytes:
        return b"tolower(" * count + b"a.b" + b")" * count + b" = x"

    node = parse(nested(98))
    assert parse(source(node)) == node
    assert refused(nested(101)).message == "more than 100 transformers inside one another"


def test_chains_do_not_count_as_depth() -> None:
    node = parse(b" and ".join([b"not not not a"] * 5000), 100)
    assert isinstance(node, tree.And)
    assert len(node.items) == 5000


HOSTILE = {
    "brackets never closed": b"(" * MAX_TEXT,
    "nots": b"not(" * (MAX_TEXT // 4),
    "transformers": b"tolower(" * (MAX_TEXT // 8),
    "a list never closed": b"a.b in (" + b"x," * (MAX_TEXT // 2 - 5),
    "a string never closed": b'a.b = "' + b'\\"' * (MAX_QUOTES - 1),
    "backspaces": b"a.b in (" + b"x\b\b" * (MAX_TEXT // 3 - 5),
    "one long word": b"(a.b = " + b"x" * (MAX_TEXT - 20) + b' "y" )',
    "dots": b"a" + b".a" * (MAX_TEXT // 2 - 5),
    "quotes": b"a.b in (" + b"'' " * (MAX_QUOTES // 2),
    "more quotes": b"a.b in (" + b"''," * MAX_QUOTES,
    "too long": b"a or " * MAX_TEXT,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_refused_in_bounded_time(text: bytes) -> None:
    refused(text)


def test_hostile_text_is_refused_in_bounded_memory() -> None:
    tracemalloc.start()
    refused(HOSTILE["quotes"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 1024 * 1024


def test_a_long_list_parses() -> None:
    node = check(b"fd.sip in (" + b", ".join([b"10.0.0.1"] * 100_000) + b")")
    assert isinstance(node.right, tree.LiteralList)
    assert len(node.right.items) == 100_000


WORDS = st.sampled_from(
    [
        "and",
        "or",
        "not",
        "(",
        ")",
        "a",
        "a.b",
        "a.b[1]",
        "exists",
        "=",
        "==",
        "<",
        "in",
        "pmatch",
        "contains",
        "oneof",
        "anyof",
        "val(",
        "tolower(",
        "join(",
        ",",
        '"',
        "'",
        "\\",
        "\\q",
        "x",
        "5",
        "0x1",
        "[",
        "]",
        "\x08",
        "\x0c",
        "\x00",
        "é",
        "startswith",
    ]
)


def error_of(data: bytes) -> ConditionSyntaxError | None:
    try:
        parse(data)
    except ConditionSyntaxError as error:
        return error
    return None


@given(st.lists(st.tuples(WORDS, st.sampled_from(["", " ", "\n"]))).map(lambda s: "".join(map("".join, s))))
def test_any_words_parse_or_give_a_located_error(text: str) -> None:
    data = text.encode()
    error = error_of(data)
    if error is None:
        assert parse(source(parse(data))) == parse(data)
    else:
        assert error.message
        assert 0 <= error.pos <= len(data)


@given(st.binary(max_size=60))
def test_any_bytes_parse_or_give_a_located_error(data: bytes) -> None:
    error = error_of(data)
    assert error is None or 0 <= error.pos <= len(data)


@given(conditions())
def test_what_is_printed_parses_back_to_the_same_tree(node: tree.Condition) -> None:
    assert parse(source(node)) == node


def test_upstreams_text_brackets_every_chain_and_quotes_little() -> None:
    node = parse(b"not (a.b in (x, \"y z\")) and c.d = '' or e")
    assert canonical(node) == b'((not a.b in (x, "y z") and c.d = ) or e)'
    assert canonical(parse(b'join("", (a.b)) = x')) == b"join(,(a.b)) = x"
    assert canonical(parse(b'a.b[""] exists')) == b'a.b[""] exists'


def test_deep_trees_print() -> None:
    node: tree.Condition = tree.Macro("a")
    for _ in range(20_000):
        node = tree.And((tree.Not(node), tree.Macro("b")))
    assert canonical(node).count(b"not") == 20_000
    assert source(node).count(b"(") == 19_999
