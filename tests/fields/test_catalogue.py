"""The catalogue has every field and event of Falco, and says what is known of each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent.fields.catalogue import CATALOGUE, FieldInfo, UnknownFieldError
from agent.fields.resolve import resolve
from agent.fields.types import Type

DATA = Path(os.environ.get("TERCEL_FALCO_DATA", Path(__file__).parents[2] / "../shared/falco"))
ORIGINS = {"syscall", "task", "fd", "runtime", "account", "constant", "computed"}
PLUGIN_TYPES = {"string": "CHARBUF", "bool": "BOOL", "abstime": "ABSTIME", "reltime": "RELTIME"}


def falco(name: str) -> Any:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {path}: set TERCEL_FALCO_DATA")
    return json.loads(path.read_bytes())


def test_every_field_of_falco_is_there_with_its_type() -> None:
    table = falco("fields.json")
    fields = [field for class_ in table["classes"] for field in class_["fields"]]
    missing = [
        field["name"]
        for field in fields
        if (info := CATALOGUE.field(field["name"])) is None
        or info.type != Type(field["type"], field["is_list"])
        or info.deprecated != field["is_deprecated"]
        or (info.argument == "none") != (field["argument"] is None)
    ]
    assert missing == []


def test_every_field_of_the_container_plugin_is_there_with_its_type() -> None:
    missing = [
        field["name"]
        for field in falco("fields.json")["container_plugin_fields"]
        if (info := CATALOGUE.field(field["name"])) is None
        or info.type != Type(PLUGIN_TYPES[field["type"]])
        or info.argument_required != field["arg_required"]
    ]
    assert missing == []


def test_every_event_type_of_falco_is_there_with_its_parameters() -> None:
    events = falco("events.json")["events"]
    for name, params in [(event["name"], event["params"]) for kind in events.values() for event in kind]:
        info = CATALOGUE.event(name)
        assert info is not None
        assert [(p.name, p.type, list(p.symbols)) for p in info.params] == [
            (p["name"], p["type"], p.get("flags", [])) for p in params
        ]
    assert {event["name"] for event in events["Syscall events"]} == CATALOGUE.syscalls


def test_descriptions_are_there_and_our_own() -> None:
    theirs = {field["desc"] for class_ in falco("fields.json")["classes"] for field in class_["fields"]}
    for info in CATALOGUE.fields():
        assert info.description.endswith("."), info.name
        assert info.description not in theirs
        assert info.origin in ORIGINS


def test_the_path_that_the_kernel_opened_is_a_field_of_our_own() -> None:
    info = CATALOGUE.field("fd.realpath")
    assert info is not None
    assert info.origin == "fd"
    assert not info.is_list


@pytest.mark.parametrize(
    ("name", "arg", "key"),
    [
        ("proc.name", None, "proc.name"),
        ("proc.aname", None, "proc.aname"),
        ("proc.aname", b"2", "proc.aname[2]"),
        ("proc.aname", b"02", "proc.aname[2]"),
        ("proc.env", b"HOME", "proc.env[HOME]"),
        ("evt.arg.flags", None, "evt.arg.flags"),
        ("evt.arg", b"0", "evt.arg[0]"),
        ("evt.type.is.open", None, "evt.type.is.open"),
        ("evt.abspath", None, "evt.abspath"),
        ("evt.abspath.src", None, "evt.abspath.src"),
        ("thread.cgroup.cpuacct", None, "thread.cgroup.cpuacct"),
        ("container.mount.dest", b"/etc/*", "container.mount.dest[/etc/*]"),
        ("container.label.app.name", None, "container.label[app.name]"),
        ("container.label", b"app.name", "container.label[app.name]"),
    ],
)
def test_a_field_with_its_argument_has_one_key(name: str, arg: bytes | None, key: str) -> None:
    assert resolve(CATALOGUE, name, arg).key == key


@pytest.mark.parametrize(
    ("name", "arg", "message"),
    [
        ("proc.nosuch", None, "filter_check called with nonexistent field proc.nosuch"),
        ("proc.name", b"1", "filter_check called with nonexistent field proc.name[1]"),
        ("proc.aname", b"x", "filter_check called with nonexistent field proc.aname[x]"),
        ("evt.arg", b"x", "x is not a valid number"),
        ("evt.arg", None, "filter syntax error: evt.arg needs an argument"),
        ("evt.arg.nosuch", None, "unknown event argument nosuch"),
        ("evt.rawarg", b"0", "evt.arg fields must be expressed explicitly"),
        ("evt.type.is.nosuch", None, "filter_check called with nonexistent field evt.type.is.nosuch"),
        ("evt.abspath.x", None, "filter_check called with nonexistent field evt.abspath.x"),
        ("thread.cgroup", None, "filter syntax error: thread.cgroup needs an argument"),
        ("proc.aname", b"9" * 5000, "filter_check called with nonexistent field proc.aname[9"),
    ],
)
def test_a_wrong_argument_is_named(name: str, arg: bytes | None, message: str) -> None:
    with pytest.raises(UnknownFieldError) as caught:
        resolve(CATALOGUE, name, arg)
    assert str(caught.value).startswith(message)


def test_a_raw_parameter_has_the_type_of_the_event_that_has_it() -> None:
    assert resolve(CATALOGUE, "evt.rawarg.uid").type == Type("UID")
    assert resolve(CATALOGUE, "evt.rawarg.flags").type == Type("FLAGS32")


def test_more_fields_take_precedence_over_the_catalogue() -> None:
    mine = CATALOGUE.with_fields([FieldInfo("proc.name", Type("UINT8")), FieldInfo("t.x", Type("BOOL"))])
    assert resolve(mine, "proc.name").type == Type("UINT8")
    assert resolve(mine, "t.x").type == Type("BOOL")
    assert resolve(CATALOGUE, "proc.name").type == Type("CHARBUF")


@pytest.mark.parametrize("text", ["CHARBUF", "list of UINT64"])
def test_types_read_what_they_print(text: str) -> None:
    assert str(Type.parse(text)) == text


def test_a_type_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such field type: STRING"):
        Type.parse("STRING")
