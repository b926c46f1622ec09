"""The kernel filter keeps every event that a rule matches."""

from __future__ import annotations

import errno
import posixpath
from typing import Any

from conditions import field
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import evaluate

from agent.compiler.dag import Graph
from agent.compiler.filter.atoms import ERRORS, FLAG_BITS, Call, atom_of, is_plain
from agent.compiler.filter.form import KEEP, REJECT, keeps
from agent.compiler.filter.plan import rule_filter
from agent.event import Event
from agent.kernel.symbols import error
from agent.language import typed

NAME = field("proc.name", "CHARBUF")
RESULT = field("evt.rawres", "INT64")
ERROR = field("evt.res", "CHARBUF")
NEVER = field("fd.sip.name", "CHARBUF")
NUMBER = field("fd.num", "INT64")
READ, WRITE = field("evt.is_open_read", "BOOL"), field("evt.is_open_write", "BOOL")
FILE, FLAGS = field("fd.filename", "CHARBUF"), field("evt.arg.flags", "CHARBUF")
PATH, DIRECTORY, RAW = (
    field("fd.name", "CHARBUF"),
    field("fd.directory", "CHARBUF"),
    field("fd.nameraw", "CHARBUF"),
)

names = st.sampled_from([b"cat", b"sh", b"a-name-that-is-too-long-for-the-kernel"])
paths = st.sampled_from(
    [
        b"/etc/shadow",
        b"/etc",
        b"/etc/",
        b"/",
        b"etc/shadow",
        b"/etc/../etc/shadow",
        b"//etc/shadow",
        b"/etc/x../y",
        b"/tmp/./x",
        b"/tmp/..",
        b"/tmp/a",
        b"",
        b"/tmp/" + b"x" * 300,
        b"/var/log/.a./b",
        b"../x",
        b"/tmp",
    ]
)
constants = st.sampled_from(
    [b"/etc", b"/etc/", b"/etc/shadow", b"/tmp", b"/", b"", b"../", b"./", b"//", b"/tmp/a"]
)
globs = st.sampled_from([b"/etc/*", b"*shadow", b"/t?p/*", b"/tmp/a"])


def one_or_more(left: typed.Field, ops: list[str], values: Any) -> st.SearchStrategy[typed.Check]:
    op, several = st.sampled_from(ops), st.lists(values, max_size=3).map(tuple)
    single = st.builds(lambda o, c: typed.Check(left, o, value=c), op, values)
    modifier = st.sampled_from(["anyof", "allof", "oneof"])
    modified = st.builds(lambda o, c, m: typed.Check(left, o, values=c, modifier=m), op, several, modifier)
    return st.one_of(single, modified, st.builds(lambda c: typed.Check(left, "in", values=c), several))


STRINGS = ["=", "!=", "startswith", "endswith", "contains"]
checks = st.one_of(
    one_or_more(NAME, STRINGS, names),
    one_or_more(RESULT, ["=", "!=", "<", ">="], st.integers(-2, 2)),
    one_or_more(ERROR, ["=", "!=", "startswith"], st.sampled_from([b"EACCES", b"ENOENT", b"SUCCESS", b"E"])),
    one_or_more(NEVER, STRINGS, names),
    one_or_more(NUMBER, [">=", ">", "="], st.integers(-1, 1)),
    st.builds(typed.Check, st.sampled_from([READ, WRITE]), st.sampled_from(["=", "!="]), st.booleans()),
    *(one_or_more(left, STRINGS, constants) for left in (PATH, DIRECTORY, RAW)),
    *(one_or_more(left, ["glob", "iglob"], globs) for left in (PATH, DIRECTORY, RAW)),
    st.builds(
        lambda c: typed.Check(PATH, "pmatch", values=c), st.lists(constants | globs, max_size=3).map(tuple)
    ),
    st.builds(typed.Check, st.sampled_from([NAME, PATH, RESULT]), st.just("exists")),
    st.builds(lambda: typed.Check(PATH, "=", expression=RAW)),
    one_or_more(FILE, STRINGS, st.sampled_from([b"shadow", b"a", b"", b"y"])),
    one_or_more(FLAGS, ["contains", "="], st.sampled_from([b"O_TRUNC", b"O_CREAT", b"O_RDONLY", b"O_"])),
)
conditions = st.recursive(
    checks,
    lambda inner: st.one_of(
        st.builds(typed.Not, inner),
        st.builds(typed.And, st.lists(inner, min_size=2, max_size=5).map(tuple)),
        st.builds(typed.Or, st.lists(inner, min_size=2, max_size=5).map(tuple)),
    ),
    max_leaves=15,
)
calls = st.builds(
    Call,
    type=st.sampled_from(["openat", "openat2"]),
    ret=st.sampled_from([-13, -2, 0, 1, 3]),
    comm=st.sampled_from([b"cat", b"sh", b"a-name-that-is-"]),
    path=paths,
    flags=st.sampled_from([0, 1, 2, 3, 0x241]),
)


def event_of(call: Call, *, directory: bool) -> Event:
    """Return the event that user space would see for a call: the kernel may know less, never otherwise."""
    path = call.path or b""
    name = posixpath.normpath(posixpath.join("/home", path.decode())).replace("//", "/").encode()
    fields: dict[str, Any] = {
        "proc.name": call.comm,
        "evt.rawres": call.ret,
        "evt.res": errno.errorcode[-call.ret].encode() if call.ret < 0 else b"SUCCESS",
        "fd.num": call.ret if call.ret >= 0 else -1,
        "evt.is_open_read": (call.flags or 0) & 3 in (0, 2),
        "evt.is_open_write": (call.flags or 0) & 3 in (1, 2),
        "fd.nameraw": path,
        "evt.arg.flags": b"|".join(name for name, bit in FLAG_BITS.items() if (call.flags or 0) & bit),
    }
    if call.ret >= 0:
        fields["fd.name"] = name
        fields["fd.directory"] = name if directory else posixpath.dirname(name.decode()).encode()
        if not directory:
            fields["fd.filename"] = name.rpartition(b"/")[2]
    return Event(call.type, fields)


@settings(max_examples=500)
@given(conditions, calls, st.booleans(), st.booleans())
def test_what_matches_is_kept(
    condition: typed.Condition,
    call: Call,
    directory: bool,  # noqa: FBT001
    known: bool,  # noqa: FBT001
) -> None:
    event = event_of(call, directory=directory)
    node = Graph().build(condition, lambda _check: None)
    form = rule_filter("r", call.type, node, lambda key: key != NEVER.key).form
    flags = None if call.type == "openat2" else call.flags
    seen = Call(call.type, call.ret, call.comm, call.path, flags)
    facts = seen if known else Call(call.type, call.ret)
    if evaluate(condition, event):
        assert keeps(form, facts)


def test_an_exact_rule_rejects_what_does_not_match() -> None:
    condition = typed.And(
        (
            typed.Check(NUMBER, ">=", value=0),
            typed.Check(READ, "=", value=True),
            typed.Check(PATH, "startswith", value=b"/etc/"),
            typed.Not(typed.Check(NAME, "in", values=(b"cat", b"sh"))),
        )
    )
    result = rule_filter("r", "openat", Graph().build(condition, lambda _check: None))
    assert result.exact
    call = Call("openat", 3, b"vi", b"/etc/shadow", 0)
    assert keeps(result.form, call)
    assert not keeps(result.form, Call("openat", 3, b"cat", b"/etc/shadow", 0))
    assert not keeps(result.form, Call("openat", 3, b"vi", b"/tmp/shadow", 0))
    assert not keeps(result.form, Call("openat", 3, b"vi", b"/etc/shadow", 1))
    assert not keeps(result.form, Call("openat", -2, b"vi", b"/etc/shadow", 0))
    assert keeps(result.form, Call("openat", 3, b"vi", b"shadow", 0))
    assert keeps(result.form, Call("openat", 3, None, b"/etc/shadow", 0))


def test_the_reason_names_the_field() -> None:
    condition = typed.Check(field("proc.cmdline", "CHARBUF"), "contains", value=b"x")
    result = rule_filter("r", "openat", Graph().build(condition, lambda _check: None))
    assert result.form == KEEP
    assert result.reasons == ("the kernel does not evaluate proc.cmdline",)


def test_the_end_of_a_process_has_no_return_value_to_compare() -> None:
    condition = typed.Not(typed.Check(RESULT, "=", value=0))
    assert rule_filter("r", "procexit", Graph().build(condition, lambda _check: None)).form == KEEP


def test_a_field_that_events_never_have_keeps_nothing() -> None:
    check = typed.Check(NEVER, "=", value=b"pool.example")
    for condition, form in ((check, REJECT), (typed.Not(check), KEEP)):
        node = Graph().build(condition, lambda _check: None)
        assert rule_filter("r", "connect", node, lambda key: key != NEVER.key).form == form
        assert rule_filter("r", "connect", node).form == KEEP


def test_an_error_is_asked_for_by_its_number() -> None:
    node = Graph().build(typed.Check(ERROR, "=", value=b"EINPROGRESS"), lambda _check: None)
    form = rule_filter("r", "connect", node).form
    assert keeps(form, Call("connect", -errno.EINPROGRESS))
    assert not keeps(form, Call("connect", -errno.ECONNREFUSED))


def test_errors_have_the_names_that_events_give_them() -> None:
    assert {name: error(number) for name, number in ERRORS.items()} == {name: name for name in ERRORS}


@given(paths)
def test_a_plain_path_is_its_own_name(path: bytes) -> None:
    if is_plain(path):
        assert posixpath.normpath(path) == path


def test_every_atom_needs_an_ordinary_field() -> None:
    assert "transformer" in str(
        atom_of(typed.Check(typed.Transform("len", (NAME,), NAME.type), "exists"), "openat")
    )
