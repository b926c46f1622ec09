"""What to do about an error: the nearest known word, the type that a field has, where a name is defined."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from agent.fields.catalogue import CATALOGUE
from agent.fields.types import NUMBERS, Type
from agent.language import tree
from agent.language.collector import Collector
from agent.language.conditions import character_offset, encode
from agent.language.decode import closest, did_you_mean
from agent.language.lint import checks_of, field_names
from agent.language.located import ConditionText
from agent.language.operators import OPERATORS
from agent.language.output import OutputError
from agent.language.sink import Context

_WORD = re.compile(r"[^()\s=,]+")
SHOWN_NAMES = 12
"""How many defined names a hint lists at most."""


class _Case(NamedTuple):
    """An error, and what is known around it."""

    word: str
    """What the error is about."""
    text: ConditionText
    pos: int
    collector: Collector
    condition: tree.Condition | None


def condition_advice(
    message: str,
    pos: int,
    text: ConditionText,
    collector: Collector,
    condition: tree.Condition | None = None,
) -> str:
    """Say what to do about a condition that does not compile; an empty text if there is nothing to add."""
    for pattern, advise in _ADVICE:
        found = pattern.search(message)
        if found:
            return advise(_Case(found[found.re.groups], text, pos, collector, condition))
    return ""


def field_advice(name: str) -> str:
    """Say which field was probably meant."""
    return (
        did_you_mean(name, (info.name for info in CATALOGUE.fields()))
        or "'tercel rules fields' lists all fields"
    )


def _event_advice(case: _Case) -> str:
    return did_you_mean(case.word, CATALOGUE.event_types) or "an event type is a system call: open, execve, …"


def _list_advice(case: _Case) -> str:
    name, collector = case.word, case.collector
    close = did_you_mean(name, collector.lists)
    if close:
        return f"list {name} is not defined; {close}"
    return f"list {name} is not defined; defined lists: {_names(list(collector.lists))}"


def _names(names: list[str]) -> str:
    if not names:
        return "none"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(sorted(names)[:SHOWN_NAMES]) + more


def _operator_advice(case: _Case) -> str:
    raw = case.text.text.encode("utf-8", "surrogatepass")
    word = _WORD.match(raw[case.pos :].decode("utf-8", "ignore").lstrip())
    if word is None:
        return "a field needs an operator and a value after it, or 'exists'"
    close = closest(word[0].lower(), OPERATORS)
    if close:
        return f"did you mean {close}?"
    return f"operators: {' '.join(OPERATORS)}"


def _type_advice(case: _Case) -> str:
    if case.condition is None:
        return ""
    pos = case.pos
    for check in checks_of(case.condition):
        right = check.right.pos if check.right is not None else check.pos
        if pos in {check.pos, check.left.pos, right}:
            for name in field_names(check.left):
                info = CATALOGUE.field(name)
                if info is not None and isinstance(check.left, tree.Field):
                    return _of_type(name, info.type)
    return ""


def _of_type(name: str, type_: Type) -> str:
    if type_.is_list:
        return f"{name} is a list: in, intersects and exists take lists"
    if type_.name in NUMBERS:
        return f"{name} is a number ({type_}): compare it with = != < <= > >= or in, and with numbers"
    return f"{name} is {type_}"


def undefined_macro_advice(name: str, context: Context, collector: Collector) -> str:
    """Say what to do about a macro that is not defined, or not yet."""
    later = collector.macros.get(name)
    if later is not None:
        place = f"{later.context.source.name}:{later.context.place.human()}"
        return f"macro {name} is defined later, at {place}; move it before {context.name}"
    if name in collector.lists:
        return f"{name} is a list: write 'field in ({name})'"
    close = did_you_mean(name, collector.macros)
    if close:
        return close
    return (
        f"defined macros: {_names(list(collector.macros))}; a text to compare needs a field and an operator"
    )


def output_advice(text: str, error: OutputError) -> str:
    """Say what to do about an output that does not compile."""
    raw = text.encode("utf-8", "surrogatepass")[max(error.pos - 1, 0) :].decode("utf-8", "ignore")
    field = re.match(r"%?[0-9]*([a-z][a-zA-Z0-9_.]*)", raw)
    if field is None:
        return "'%' begins a field, and there is no way to print '%' itself"
    return field_advice(field[1].rstrip("."))


def _joining_advice(case: _Case) -> str:
    here = case.text.expansion.original(character_offset(case.text.text, case.pos))
    word = _WORD.match(case.text.written, here)
    if word is not None and word[0] in case.collector.lists:
        return f"{word[0]} is a list: write 'field in ({word[0]})'"
    return "join checks with 'and' or 'or'; put a value that contains blanks or brackets in quotes"


def _value_advice(case: _Case) -> str:
    raw = encode(case.text.text)[case.pos :].lstrip()
    if raw[:1] in {b'"', b"'"}:
        return f"close the quote ({raw[:1].decode()}) with another one"
    if not raw or raw[:1] == b")":
        return 'put a value after the operator; an empty text is ""'
    return "write a word, or a text in quotes"


def _bracket_advice(case: _Case) -> str:
    text = case.text.text
    opened, closed = text.count("("), text.count(")")
    return f"{opened} brackets open and {closed} close: every '(' needs a ')'"


def _say(text: str) -> Callable[[_Case], str]:
    return lambda _case: text


_ESCAPES = r"write a backslash as \\; the escapes are \b \f \n \r \t \\ \/ \xHH and the quote"
_CHECK = "a check is a field, an operator and a value: proc.name = bash"
_ADVICE: tuple[tuple[re.Pattern[str], Callable[[_Case], str]], ...] = (
    (re.compile(r"nonexistent field ([^\s\[]+)"), lambda case: field_advice(case.word)),
    (re.compile(r"unknown event type (\S+)"), _event_advice),
    (re.compile(r"unexpected identifier '([^']*)'"), _list_advice),
    (re.compile("expected a valid check operator"), _operator_advice),
    (re.compile("expecting 'or', 'and'"), _joining_advice),
    (re.compile("not a valid number|out of range|not supported for"), _type_advice),
    (re.compile("unrecognized boolean"), _say("write true or false")),
    (re.compile("unrecognized IP network"), _say("write an address and a prefix length: 10.0.0.0/8")),
    (re.compile("unrecognized IPv6 network"), _say("write an address and a prefix length: fd00::/8")),
    (re.compile("unrecognized IP"), _say("write an address: 10.0.0.1 or ::1; networks go with fd.net")),
    (re.compile("hex strings only"), _say("write the bytes in hexadecimal, two digits each: 7f454c46")),
    (re.compile("escape"), _say(_ESCAPES)),
    (re.compile("string value or a field|expected a list"), _value_advice),
    (re.compile(r"expected a '\(' token, a field check"), _say(_CHECK)),
    (re.compile(r"expected a '\)'"), _bracket_advice),
    (re.compile("expected a number value"), _say("< <= > >= compare with a number")),
    (re.compile("max depth"), _say("use fewer brackets inside brackets, or macros")),
    (re.compile("string is empty"), _say("write a condition")),
)
