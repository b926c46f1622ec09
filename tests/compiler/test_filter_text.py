"""The C text of a filter: bounded, and made of numbers only."""

from __future__ import annotations

import re

import pytest
from conditions import field

from agent.compiler.dag import Graph
from agent.compiler.filter.atoms import Call, Names, Path
from agent.compiler.filter.c_text import c_text, fit
from agent.compiler.filter.form import KEEP, REJECT, All, Form, Literal, Some, atoms_of, keeps, without
from agent.compiler.filter.plan import rule_filter
from agent.language import typed

EVIL = b'"; } */ #include </etc/shadow> \\\n'


def form_of(*conditions: typed.Condition) -> Form:
    return rule_filter("r", "openat", Graph().build(typed.And(conditions), lambda _check: None)).form


def test_nothing_of_a_constant_becomes_text() -> None:
    name, path = field("proc.name", "CHARBUF"), field("fd.name", "CHARBUF")
    form = form_of(typed.Check(name, "=", value=EVIL[:15]), typed.Check(path, "endswith", value=EVIL))
    body = c_text({"openat": form}).rpartition("// Read a path")[2].partition("\n}\n")[2]
    assert "keep_0" in body
    assert not re.search(r"[\"\\#]|include|shadow", body)


def test_event_types_with_the_same_form_share_a_function() -> None:
    form = form_of(typed.Check(field("fd.name", "CHARBUF"), "startswith", value=b"/etc/"))
    text = c_text({"open": form, "openat": form, "openat2": form})
    assert text.count("AI bool keep_") == 1
    assert "c->type == EV_open) { form = 1; path = c->arg[0]; flags = c->arg[1]; }" in text
    assert "c->type == EV_openat2) { form = 1; path = c->arg[1]; }" in text


def test_a_type_that_is_kept_whole_needs_no_text() -> None:
    assert "EV_execve" not in c_text({"execve": KEEP})


def test_a_name_that_is_no_event_type_is_refused() -> None:
    with pytest.raises(ValueError, match="event type"):
        c_text({"openat) { return false; }": REJECT})


def test_a_filter_that_is_too_large_loses_its_largest_sets_first() -> None:
    few = Literal(Names(frozenset([b"a"])))
    many = Literal(Path(exact=frozenset(b"/%d" % number for number in range(5000))))
    forms = fit({"openat": All((few, many))}, budget=100)
    assert forms == {"openat": few}
    assert fit({"openat": Some((few, many))}, budget=100) == {"openat": KEEP}


def test_what_fits_stays_as_it_is() -> None:
    forms: dict[str, Form] = {
        "openat": Literal(
            Names(
                frozenset([b"a"]),
            )
        )
    }
    assert fit(forms) == forms


def test_without_an_atom_a_form_keeps_more() -> None:
    name, path = Names(frozenset([b"a"])), Path(prefixes=frozenset([b"/etc/"]))
    form = All((Literal(name, negated=True), Some((Literal(path), Literal(Names(frozenset([b"b"])))))))
    call = Call("openat", 3, b"c", b"/tmp/x", 0)
    assert not keeps(form, call)
    assert keeps(without(form, path), call)
    assert path not in atoms_of(without(form, path))
