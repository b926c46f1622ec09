"""Random condition trees, as hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from agent.language import tree
from agent.language.operators import LIST_OPERATORS, MODIFIERS, NUMBER_OPERATORS, TEXT_OPERATORS

names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True)
field_names = st.lists(names, min_size=2, max_size=3).map(".".join)
values = st.binary(max_size=12)
literals = st.builds(tree.Literal, values)
numbers = st.from_regex(r"0x[0-9a-f]{1,4}|[+-]?[0-9]{1,5}", fullmatch=True).map(
    lambda text: tree.Literal(text.encode())
)
fields = st.builds(tree.Field, field_names, st.none() | values)
quoted = st.builds(tree.Literal, values, quoted=st.just(value=True))


def transforms() -> st.SearchStrategy[tree.Transform]:
    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        item = inner | fields | quoted | numbers
        lists = st.builds(tree.ArgumentList, st.lists(item, max_size=3).map(tuple))
        arguments = st.lists(item | lists, min_size=1, max_size=3).map(tuple)
        return st.builds(
            tree.Transform,
            st.sampled_from(["tolower", "b64", "join", "getopt"]),
            arguments,
            st.none() | values,
        )

    return st.recursive(extend(st.nothing()), extend, max_leaves=4)


def checks() -> st.SearchStrategy[tree.Check]:
    left = fields | transforms()
    value_of = st.builds(tree.ValueOf, fields, st.none() | values)
    other = transforms() | value_of
    lists = st.builds(tree.LiteralList, st.lists(literals, max_size=3).map(tuple)) | st.builds(
        tree.ListRef, names.filter(lambda name: name not in ("and", "or", "not"))
    )
    return st.one_of(
        st.builds(tree.Check, left, st.just("exists")),
        st.builds(tree.Check, left, st.sampled_from(NUMBER_OPERATORS), numbers | other),
        st.builds(tree.Check, left, st.sampled_from(TEXT_OPERATORS), literals | other),
        st.builds(tree.Check, left, st.sampled_from(TEXT_OPERATORS), lists, st.sampled_from(MODIFIERS)),
        st.builds(tree.Check, left, st.sampled_from(LIST_OPERATORS), lists | other),
    )


def conditions() -> st.SearchStrategy[tree.Condition]:
    leaves: st.SearchStrategy[Any] = st.builds(tree.Macro, names) | checks()
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(tree.Not, inner),
            st.builds(tree.And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(tree.Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=8,
    )
