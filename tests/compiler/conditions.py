"""Random typed conditions and random events over a handful of fields of every type."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import strategies as st

from agent.event import Event
from agent.fields.catalogue import FieldInfo
from agent.fields.types import Type
from agent.language import typed


def field(key: str, type_: str, **info: Any) -> typed.Field:
    return typed.Field(key, Type.parse(type_), FieldInfo(key, Type.parse(type_), **info))


TEXT_FIELDS = [field("proc.name", "CHARBUF"), field("fd.name", "CHARBUF"), field("fd.nameraw", "FSPATH")]
NUMBER_FIELDS = [
    field("fd.num", "INT64"),
    field("proc.tty", "UINT32"),
    field("fd.port", "PORT", filter_only=True),
]
ADDRESS_FIELDS = [field("fd.sip", "IPADDR"), field("fd.ip", "IPADDR", filter_only=True)]
NETWORK_FIELDS = [field("fd.snet", "IPNET", filter_only=True), field("fd.net", "IPNET", filter_only=True)]
LIST_FIELD = field("fd.types", "list of CHARBUF")
BOOL_FIELD = field("evt.is_open_read", "BOOL")
ANCESTOR_FIELD = field("proc.aname", "CHARBUF", argument="ancestor", no_transformer=True)
BUFFER_FIELD = field("evt.buffer", "BYTEBUF")

texts = st.sampled_from([b"", b"a", b"b", b"ab", b"Ab", b"/a", b"/a/b", b"/b/a", b"YWI=", b"\xff", b"a\nb"])
patterns = st.sampled_from([b"*", b"a*", b"*b", b"?", b"[ab]", b"/a/*", b"[", b"A*"])
regexes = st.sampled_from([b".*", b"a+b?", b"(a|/a)*", b"[^a]", b"^a.b$"])
numbers = st.integers(-2, 3)
counts = st.integers(0, 3)
addresses = st.sampled_from(
    [b"\x0a\x00\x00\x01", b"\x0a\x01\x00\x01", b"\x7f\x00\x00\x01", bytes(15) + b"\x01"]
)
networks = st.sampled_from(
    [(b"\x0a\x00\x00\x00", 8), (b"\x0a\x01\x00\x00", 16), (b"\x7f\x00\x00\x01", 32), (bytes(16), 64)]
)
modifiers = st.sampled_from(["anyof", "allof", "oneof"])


def lists(items: st.SearchStrategy[Any], *, least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def transformed(inner: st.SearchStrategy[typed.Expression]) -> st.SearchStrategy[typed.Expression]:
    names = st.sampled_from(["tolower", "toupper", "basename"])
    same = st.builds(lambda name, item: typed.Transform(name, (item,), item.type), names, inner)
    joined = st.builds(
        lambda items: typed.Transform("join", (typed.Text(b","), typed.Texts(items)), Type("CHARBUF")),
        lists(inner, least=1),
    )
    return same | joined


plain_texts: st.SearchStrategy[typed.Expression] = st.sampled_from(TEXT_FIELDS)
text_expressions = st.one_of(plain_texts, plain_texts, plain_texts, transformed(plain_texts))
text_lefts = st.one_of(text_expressions, st.just(ANCESTOR_FIELD))


def scalar(
    lefts: st.SearchStrategy[Any], ops: list[str], constants: st.SearchStrategy[Any]
) -> st.SearchStrategy[typed.Check]:
    op = st.sampled_from(ops)
    return st.one_of(
        st.builds(lambda left, o, c: typed.Check(left, o, value=c), lefts, op, constants),
        st.builds(
            lambda left, o, c, m: typed.Check(left, o, values=c, modifier=m),
            lefts,
            op,
            lists(constants),
            modifiers,
        ),
    )


def sets(lefts: st.SearchStrategy[Any], constants: st.SearchStrategy[Any]) -> st.SearchStrategy[typed.Check]:
    op = st.sampled_from(["in", "intersects"])
    return st.builds(lambda left, o, c: typed.Check(left, o, values=c), lefts, op, lists(constants))


STRING_OPS = ["=", "=", "!=", "contains", "icontains", "startswith", "startswith", "endswith", "<", ">="]
checks = st.one_of(
    scalar(text_lefts, STRING_OPS, texts),
    scalar(text_lefts, STRING_OPS, texts),
    sets(text_lefts, texts),
    scalar(text_lefts, ["glob", "iglob"], patterns),
    scalar(text_lefts, ["regex"], regexes),
    st.builds(lambda left, c: typed.Check(left, "pmatch", values=c), text_lefts, lists(texts)),
    scalar(st.just(BUFFER_FIELD), ["=", "!=", "contains", "bcontains", "bstartswith", "endswith"], texts),
    scalar(st.sampled_from(NUMBER_FIELDS), ["=", "!=", "<", "<=", ">", ">="], numbers),
    sets(st.sampled_from(NUMBER_FIELDS), numbers),
    scalar(st.sampled_from(ADDRESS_FIELDS), ["=", "!="], addresses),
    sets(st.sampled_from(ADDRESS_FIELDS), addresses),
    scalar(st.sampled_from(NETWORK_FIELDS), ["=", "!="], networks),
    sets(st.sampled_from(NETWORK_FIELDS), networks),
    sets(st.just(LIST_FIELD), texts),
    scalar(st.just(BOOL_FIELD), ["=", "!="], st.booleans()),
    st.builds(
        lambda left, o, right: typed.Check(left, o, expression=right),
        text_lefts,
        st.sampled_from([*STRING_OPS, "glob", "in", "intersects"]),
        text_expressions,
    ),
    st.builds(
        lambda left: typed.Check(left, "exists"),
        st.one_of(
            text_lefts, st.sampled_from([*NUMBER_FIELDS, *ADDRESS_FIELDS, *NETWORK_FIELDS, LIST_FIELD])
        ),
    ),
)


def _deeper(inner: st.SearchStrategy[typed.Condition]) -> st.SearchStrategy[typed.Condition]:
    several = st.lists(inner, min_size=2, max_size=6).map(tuple)
    return st.one_of(st.builds(typed.Not, inner), st.builds(typed.And, several), st.builds(typed.Or, several))


conditions: st.SearchStrategy[typed.Condition] = st.recursive(checks, _deeper, max_leaves=25)


@functools.cache
def events() -> st.SearchStrategy[Event]:
    values: dict[str, st.SearchStrategy[Any]] = {
        **{item.key: texts for item in TEXT_FIELDS},
        "evt.buffer": texts,
        "fd.num": numbers,
        "proc.tty": counts,
        "fd.cport": counts,
        "fd.sport": counts,
        "fd.cip": addresses,
        "fd.sip": addresses,
        "fd.types": lists(texts),
        "evt.is_open_read": st.booleans(),
    }
    given = st.fixed_dictionaries({key: st.none() | value for key, value in values.items()})
    return st.builds(_event, given, st.lists(texts, max_size=3))


def _event(values: dict[str, Any], names: list[bytes]) -> Event:
    fields = {key: value for key, value in values.items() if value is not None}
    fields.update({f"proc.aname[{index}]": name for index, name in enumerate(names, 1)})
    return Event("open", fields)
