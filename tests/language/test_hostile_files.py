"""Files made to hurt: each is refused or handled, within bounds, with a place, and without a crash."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.language import Loaded, RulesFile, load
from agent.language.lists import MAX_EXPANDED
from agent.language.yaml_reader import MAX_BYTES, MAX_DEPTH, YamlError, read_yaml

RULE = "- rule: a\n  desc: d\n  condition: {}\n  output: x\n  priority: INFO\n"


def loaded(text: str | bytes) -> Loaded:
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return load([RulesFile("hostile.yaml", content)])


def only_error(text: str | bytes) -> str:
    found = loaded(text).errors
    assert len(found) == 1
    return found[0].message


def test_a_yaml_bomb_is_refused_before_it_goes_off() -> None:
    lines = ["- a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"- a: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "values, with aliases" in only_error("\n".join(lines))


def test_an_alias_may_not_contain_itself() -> None:
    assert "refers to itself" in only_error("- &a [*a]\n")


def test_deep_yaml_is_refused() -> None:
    assert f"more than {MAX_DEPTH} levels" in only_error("[" * 100_000)


def test_a_deep_condition_is_refused() -> None:
    assert "max depth" in only_error(RULE.format("(" * 5000 + "evt.type=open" + ")" * 5000))


def test_macros_that_double_are_refused_before_they_fill_memory() -> None:
    text = "- macro: m0\n  condition: evt.type=open or evt.type=close\n"
    text += "".join(f"- macro: m{n}\n  condition: m{n - 1} and m{n - 1}\n" for n in range(1, 60))
    assert any("the limit is" in item.message for item in loaded(text + RULE.format("m59")).errors)


def test_macros_in_macros_may_not_go_deeper_than_a_bound() -> None:
    text = "- macro: m0\n  condition: evt.type=open\n"
    text += "".join(f"- macro: m{n}\n  condition: not (m{n - 1} or proc.name=x)\n" for n in range(1, 3000))
    assert any("levels deep" in item.message for item in loaded(text + RULE.format("m2999")).errors)


def test_a_circle_of_many_macros_is_no_stack_overflow() -> None:
    count = 3000
    text = "".join(f"- macro: m{n}\n  condition: evt.type=open\n" for n in range(count))
    text += "".join(f"- macro: m{n}\n  condition: m{(n + 1) % count}\n" for n in range(count))
    assert any("reference loop" in item.message for item in loaded(text).errors)


def test_a_chain_of_macros_resolved_backwards_is_refused_in_time() -> None:
    count = 3000
    text = "".join(f"- macro: m{n}\n  condition: evt.type=open\n" for n in range(count))
    text += "".join(f"- macro: m{n}\n  condition: m{n + 1}\n" for n in range(count - 1))
    assert "all conditions together" in only_error(text)


def test_a_condition_with_very_many_lists_is_refused_in_time() -> None:
    names = [f"l{n}" for n in range(2000)]
    text = "".join(f"- list: {name}\n  items: [{'x' * 100}]\n" for name in names)
    assert "longer than the limit" in only_error(text + RULE.format(f"proc.name in ({', '.join(names)})"))


def test_a_condition_that_lists_blow_up_is_refused() -> None:
    text = f"- list: l\n  items: [{'x' * 100_000}]\n" + RULE.format(
        f"proc.name in ({', '.join(['l'] * 100)})"
    )
    assert len(", ".join(["x" * 100_000] * 100)) > MAX_EXPANDED
    assert "longer than the limit" in only_error(text)


def test_a_file_that_is_too_large_is_refused() -> None:
    assert "the limit is" in only_error(b"# " + b"x" * MAX_BYTES)


@pytest.mark.timeout(60)
def test_a_list_of_a_fifty_thousand_items_loads() -> None:
    text = f"- list: l\n  items: [{', '.join(f'item{n}' for n in range(50_000))}]\n"
    begin = time.process_time()
    result = loaded(text + RULE.format("evt.type=open and proc.name in (l)"))
    assert result.ruleset is not None
    assert time.process_time() - begin < 30


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"- rule: \xe9\n",
        b"\x00",
        b"- a: \x01\n",
        b"- ? {}\n",
        b"- !!python/name:os.system x\n",
    ],
)
def test_odd_bytes_are_errors_or_text_never_a_crash(content: bytes) -> None:
    assert loaded(content).files


def test_a_byte_order_mark_and_carriage_returns_do_no_harm() -> None:
    content = b"\xef\xbb\xbf" + RULE.format("evt.type=open").replace("\n", "\r\n").encode()
    assert loaded(content).ruleset is not None


LINES = (
    *("- rule: a", "- macro: m", "- list: l", "  desc: d", "  output: x %proc.name", "  priority: INFO"),
    *("  items: [a, b]", "  override:", "    condition: append", "  exceptions:", "  - name: e"),
    *("    fields: [proc.name]", "    values: [[a]]", "    fields: proc.name", "    values: [a]"),
    *("  append: true", "  enabled: false", "  tags: [t]", "override: []", "- []", "# no", "---", "", "\n"),
)
PARTS = (
    *("  condition: ", "evt.type=open", " and ", "m", "(l)", "proc.name in (l)", ">\n    ", "|\n   "),
    *(
        "'",
        '"',
        "[",
        "]",
        "{",
        ":",
        "&x ",
        "*x",
        "\t",
        "null",
        "é",
        "x%",
        "<<: ",
        "? ",
        "- ",
        "word ",
        "    ",
    ),
)
FRAGMENTS = st.sampled_from([*(f"{line}\n" for line in LINES), *PARTS])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=30).map("".join)))
def test_any_text_loads_or_gives_located_diagnostics(text: str) -> None:
    result = loaded(text)
    lines = text.split("\n")
    assert (result.ruleset is None) == bool(result.errors)
    for item in result.diagnostics:
        assert item.message
        assert 0 <= item.place.line <= len(lines)
        assert item.chain


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_both_yaml_parsers_read_the_same(text: str) -> None:
    def read(*, pure: bool) -> object:
        try:
            return [shape(node) for node in read_yaml(text, pure=pure)]
        except YamlError as error:
            return error.message, error.place

    assert read(pure=False) == read(pure=True)


def shape(node: object) -> object:
    kind = type(node).__name__
    if kind == "Null":  # where nothing stands is a matter of taste
        return kind
    places = (getattr(node, "line", 0), getattr(node, "column", 0))
    if kind == "Scalar":
        return kind, places, *(getattr(node, name) for name in ("value", "style", "begin", "end"))
    items = getattr(node, "items", ())
    return kind, places, [shape(item) if kind == "Sequence" else tuple(map(shape, item)) for item in items]
