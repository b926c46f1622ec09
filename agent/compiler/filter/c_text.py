"""A filter's forms as C text for the probe: ``static bool keep(struct call *c)``.

``struct call`` and what is used here besides (``AI``, ``bool``, the constants ``EV_<type>``) are those of
``agent/kernel/probe.c``. An atom becomes an expression whose value is ``F_NO``, ``F_YES`` or ``F_MAYBE``.
Names and paths are compared 8 bytes at a time. The path is read only if the rest does not decide already.
Nothing that a rules file says becomes C but as a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agent.compiler.filter.atoms import (
    OPEN_FLAGS,
    PATH_ARGUMENT,
    Atom,
    Names,
    OpenedFor,
    Path,
    Returned,
)
from agent.compiler.filter.form import KEEP, All, Constant, Form, Literal

_TYPE = re.compile(r"[a-z0-9_]+")

PRELUDE = """
struct filter_path { u64 word[33]; };
BPF_TABLE("percpu_array", u32, struct filter_path, filter_paths, 1);

// Read a path argument into the buffer. Its length, or 0 if it is not plain (see atoms.py) or cut off.
AI u32 filter_read_path(struct filter_path *p, u64 address) {
  for (int i = 0; i < 32; i++) p->word[i] = 0;
  long n = bpf_probe_read_user_str(p->word, 256, (void *)address);
  if (n < 2 || n > 255) return 0;
  char *b = (char *)p->word;
  u32 length = n - 1;
  if (b[0] != '/') return 0;
  char last = '/', before = 0;
  #pragma nounroll
  for (u32 i = 1; i < 255; i++) {
    if (i >= length) break;
    char byte = b[i];
    if (byte == '/' && (last == '/' || last == '.')) return 0;
    before = last;
    last = byte;
  }
  if (length == 1) return 1;
  if (last == '/') return 0;
  if (last == '.' && before == '/') return 0;
  if (last == '.' && before == '.' && length >= 3 && b[(length - 3) & 0xff] == '/') return 0;
  return length;
}
"""


def c_text(forms: Mapping[str, Form]) -> str:
    """Return the C text of a filter; event types without a form are kept."""
    decided = {name: form for name, form in sorted(forms.items()) if form != KEEP}
    if not all(_TYPE.fullmatch(name) for name in decided):
        raise ValueError("a form's key is no event type")
    functions = [_function(name, form) for name, form in decided.items()]
    cases = [f"  if (c->type == EV_{name}) return keep_{name}(c);" for name in decided]
    keep = ["AI bool keep(struct call *c) {", *cases, "  return true;", "}"]
    head = (
        PRELUDE if any(isinstance(atom, Path) for form in decided.values() for atom in _atoms(form)) else ""
    )
    return "\n".join(["enum { F_NO, F_YES, F_MAYBE };", head, *functions, *keep, ""])


def _function(event_type: str, form: Form) -> str:
    """Write the filter of one event type."""
    atoms = {atom: f"a{index}" for index, atom in enumerate(dict.fromkeys(_atoms(form)))}
    lines = [f"AI bool keep_{event_type}(struct call *c) {{"]
    if any(isinstance(atom, Names) for atom in atoms):
        lines += _NAME
    for atom, name in atoms.items():
        answer = "F_MAYBE" if isinstance(atom, Path) else _answer(atom, event_type)
        lines.append(f"  u8 {name} = {answer};")
    if any(isinstance(atom, Path) for atom in atoms):
        lines.append(f"  if (!{_expression(form, atoms)}) return false;")
        lines += [line.replace("ARGUMENT", str(PATH_ARGUMENT[event_type])) for line in _PATH]
        paths = [(atom, name) for atom, name in atoms.items() if isinstance(atom, Path)]
        lines += [f"  {name} = {_answer(atom, event_type)};" for atom, name in paths]
    return "\n".join([*lines, f"  return {_expression(form, atoms)};", "}"])


_NAME = [
    "  u64 n0 = 0, n1 = 0;",
    "  if (c->ident) {",
    "    n0 = ((volatile u64 *)c->ident->comm)[0];",
    "    n1 = ((volatile u64 *)c->ident->comm)[1];",
    "  }",
]
_PATH = [
    "  u32 zero = 0;",
    "  struct filter_path *p = filter_paths.lookup(&zero);",
    "  if (!p) return true;",
    "  u32 length = c->ret >= 0 ? filter_read_path(p, c->arg[ARGUMENT]) : 0;",
    "  if (!length) return true;",
]


def _expression(form: Form, atoms: Mapping[Atom, str]) -> str:
    if isinstance(form, Constant):
        return "true" if form.keeps else "false"
    if isinstance(form, Literal):
        return f"({atoms[form.atom]} != {'F_YES' if form.negated else 'F_NO'})"
    joint = " && " if isinstance(form, All) else " || "
    return "(" + joint.join(_expression(part, atoms) for part in form.parts) + ")"


def _answer(atom: Atom, event_type: str) -> str:
    if isinstance(atom, Returned):
        operator = "==" if atom.op == "=" else atom.op
        return f"c->ret {operator} {_long(atom.number)}"
    if isinstance(atom, OpenedFor):
        argument = OPEN_FLAGS[event_type]
        modes = " || ".join(f"(c->arg[{argument}] & 3) == {mode}" for mode in sorted(atom.modes)) or "false"
        return f"(c->arg[{argument}] & 3) == 3 ? F_MAYBE : ({modes})"
    if isinstance(atom, Names):
        return f"!c->ident ? F_MAYBE : ({_any(_same_name(name) for name in sorted(atom.names))})"
    found = [_same_path(path) for path in sorted(atom.exact)] + [
        _begins(path) for path in sorted(atom.prefixes)
    ]
    return f"({_any(found)}) ? {'F_MAYBE' if atom.weak else 'F_YES'} : F_NO"


def _any(tests: Iterable[str]) -> str:
    return " || ".join(tests) or "false"


def _long(number: int) -> str:
    return f"({number}LL)" if abs(number) < 1 << 63 else f"({number & (1 << 64) - 1}ULL)"


def _word(text: bytes, at: int) -> int:
    return int.from_bytes(text[at : at + 8], "little")


def _same_name(name: bytes) -> str:
    padded = name.ljust(16, b"\0")
    return f"(n0 == {_word(padded, 0):#x}ULL && n1 == {_word(padded, 8):#x}ULL)"


def _same_path(path: bytes) -> str:
    return f"(length == {len(path)} && {_begins(path)})"


def _begins(prefix: bytes) -> str:
    """Compare the first bytes of the path, 8 at a time; the buffer is zero behind the path's end."""
    tests = []
    for at in range(0, len(prefix), 8):
        size = min(8, len(prefix) - at)
        mask = "" if size == 8 else f" & {(1 << 8 * size) - 1:#x}ULL"
        tests.append(f"(p->word[{at // 8}]{mask}) == {_word(prefix, at):#x}ULL")
    return "(" + " && ".join(tests) + ")" if tests else "true"


def _atoms(form: Form) -> list[Atom]:
    found: list[Atom] = []
    waiting = [form]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Literal):
            found.append(part.atom)
        elif not isinstance(part, Constant):
            waiting.extend(part.parts)
    return found
