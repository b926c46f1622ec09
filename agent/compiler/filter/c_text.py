"""A filter's forms as C text for the probe: ``static bool keep(struct call *c)``.

``struct call``, ``struct scratch`` and what else is used here (``AI``, ``scratch_of_cpu``, ``EV_<type>``) are
those of ``agent/kernel/probe/record.c``. An atom becomes an expression whose value is ``F_NO``, ``F_YES`` or
``F_MAYBE``. Names and paths are compared 8 bytes at a time. The path is read only if the rest does not decide
already. Nothing that a rules file says becomes C but as a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agent.compiler.filter.atoms import (
    OPEN_FLAGS,
    PATH_ARGUMENT,
    Atom,
    Family,
    Names,
    OpenedFor,
    OpenedWith,
    Path,
    Returned,
)
from agent.compiler.filter.form import KEEP, All, Constant, Form, Literal, atoms_of, without

_TYPE = re.compile(r"[a-z0-9_]+")

MAX_COMPARISONS = 2000
"""Comparisons of all forms together: the verifier gives up on a program with 8,192 undecided jumps."""

PRELUDE = """
enum { F_NO, F_YES, F_MAYBE };

// Answers live in the scratch buffer, behind the path. The verifier does not follow values in a map, so it
// need not try every combination of answers.
#define A(i) (*(volatile u8 *)&s->b[1024 + i])

// Read a path argument to the start of the scratch buffer. Returns its length, or 0 if it is cut off or
// not plain: absolute, without "//" and "./", without a slash or dot component at its end (atoms.py).
// Looks at 8 pairs of neighbours at a time: '.' and '/' differ in their last bit only, so a byte of `pairs`
// is 0 where one of them stands before a '/'.
AI u32 filter_read_path(struct scratch *s, u64 address) {
  char *b = s->b;
  long n = bpf_probe_read_user_str(b, 256, (void *)address);
  if (n < 2 || n > 255) return 0;
  u32 length = n - 1;
  if (b[0] != '/') return 0;
  #pragma nounroll
  for (u32 at = 0; at < 256; at += 8) {
    if (at + 1 >= length) break;
    u64 here = *(volatile u64 *)&b[at], next = *(volatile u64 *)&b[at + 1];
    u64 pairs = ((here & 0xfefefefefefefefeULL) ^ 0x2e2e2e2e2e2e2e2eULL) | (next ^ 0x2f2f2f2f2f2f2f2fULL);
    u32 left = length - 1 - at;
    if (left < 8) pairs |= ~0ULL << 8 * left;
    if ((pairs - 0x0101010101010101ULL) & ~pairs & 0x8080808080808080ULL) return 0;
  }
  if (length == 1) return 1;
  char last = b[(length - 1) & 0xff], before = b[(length - 2) & 0xff];
  if (last == '/' || (last == '.' && (before == '/' || before == '.'))) return 0;
  return length;
}
"""


def c_text(forms: Mapping[str, Form]) -> str:
    """Return the C text of a filter, of forms that are made to :func:`fit`. Types without a form are kept."""
    if not all(_TYPE.fullmatch(name) for name in forms):
        raise ValueError("a form's key is no event type")
    groups: dict[Form, list[str]] = {}
    for name, form in sorted(fit(forms).items()):
        if form != KEEP:
            groups.setdefault(form, []).append(name)
    functions = [_function(index, form) for index, form in enumerate(groups)]
    keep = [
        "AI bool keep(struct call *c) {",
        "  struct scratch *s = scratch_of_cpu();",
        "  if (!s) return true;",
    ]
    keep += ["  u32 form = 0;", "  u64 path = 0, flags = 0;"]
    for index, names in enumerate(groups.values(), 1):
        keep += [line for name in names for line in _select(name, index)]
    keep += [
        f"  if (form == {index}) return keep_{index - 1}(c, s, path, flags);"
        for index in range(1, len(groups) + 1)
    ]
    return "\n".join([PRELUDE, *functions, *keep, "  return true;", "}", ""])


def _select(event_type: str, form: int) -> list[str]:
    """Write where the path and the flags of an event type are, and which form decides."""
    path, flags = PATH_ARGUMENT.get(event_type), OPEN_FLAGS.get(event_type)
    sets = [f"form = {form};"]
    sets += [] if path is None else [f"path = c->arg[{path}];"]
    sets += [] if flags is None else [f"flags = c->arg[{flags}];"]
    return [f"  if (c->type == EV_{event_type}) {{ {' '.join(sets)} }}"]


def fit(forms: Mapping[str, Form], budget: int = MAX_COMPARISONS) -> dict[str, Form]:
    """Weaken forms until they need no more than ``budget`` comparisons: the largest sets go first.

    A check whose set has gone keeps what it might have rejected, so the forms stay sound.
    """
    fitted = dict(forms)
    while True:
        costs = {atom: _comparisons(atom) for form in set(fitted.values()) for atom in atoms_of(form)}
        total = sum(costs[atom] for form in set(fitted.values()) for atom in set(atoms_of(form)))
        if total <= budget or not costs:
            return fitted
        largest = max(costs, key=lambda atom: costs[atom])
        fitted = {name: without(form, largest) for name, form in fitted.items()}


def _comparisons(atom: Atom) -> int:
    if isinstance(atom, Names):
        return 2 * len(atom.names)
    if isinstance(atom, Path):
        words = sum(1 + len(item) // 8 for items in (atom.exact, atom.prefixes) for item in items)
        return words + sum(1 + len(item) for item in atom.suffixes)
    return 1


def _function(index: int, form: Form) -> str:
    """Write the function of one form."""
    atoms = {atom: f"A({at})" for at, atom in enumerate(dict.fromkeys(atoms_of(form)))}
    paths = {atom: name for atom, name in atoms.items() if isinstance(atom, Path)}
    lines = [f"AI bool keep_{index}(struct call *c, struct scratch *s, u64 path, u64 flags) {{"]
    if any(isinstance(atom, Names) for atom in atoms):
        lines += _NAME
    for atom, name in atoms.items():
        lines.append(f"  {name} = {'F_MAYBE' if atom in paths else _answer(atom)};")
    if paths:
        lines.append(f"  if (!{_expression(form, atoms)}) return false;")
        lines.append("  u32 length = c->ret >= 0 ? filter_read_path(s, path) : 0;")
        lines.append("  if (!length) return true;")
        lines += [f"  {name} = {_answer(atom)};" for atom, name in paths.items()]
    return "\n".join([*lines, f"  return {_expression(form, atoms)};", "}"])


_NAME = [
    "  u64 n0 = 0, n1 = 0;",
    "  if (c->ident) {",
    "    n0 = ((volatile u64 *)c->ident->comm)[0];",
    "    n1 = ((volatile u64 *)c->ident->comm)[1];",
    "  }",
]


def _expression(form: Form, atoms: Mapping[Atom, str]) -> str:
    if isinstance(form, Constant):
        return "true" if form.keeps else "false"
    if isinstance(form, Literal):
        return f"({atoms[form.atom]} != {'F_YES' if form.negated else 'F_NO'})"
    joint = " && " if isinstance(form, All) else " || "
    return "(" + joint.join(_expression(part, atoms) for part in form.parts) + ")"


def _answer(atom: Atom) -> str:
    if isinstance(atom, Returned):
        operator = "==" if atom.op == "=" else atom.op
        return f"c->ret {operator} {_long(atom.number)}"
    if isinstance(atom, OpenedFor):
        modes = _any(f"(flags & 3) == {mode}" for mode in sorted(atom.modes))
        return f"(flags & 3) == 3 ? F_MAYBE : ({modes})"
    if isinstance(atom, OpenedWith):
        return f"(flags & {atom.bits:#x}) != 0"
    if isinstance(atom, Family):
        return _any(f"(u32)c->arg[0] == {number}" for number in sorted(atom.numbers))
    if isinstance(atom, Names):
        return f"!c->ident ? F_MAYBE : ({_any(_same_name(name) for name in sorted(atom.names))})"
    return _path_answer(atom)


def _path_answer(path: Path) -> str:
    found = [_same_path(item) for item in sorted(path.exact)]
    found += [_begins(item) for item in sorted(path.prefixes)]
    found += [_ends(item) for item in sorted(path.suffixes)]
    return f"({_any(found)}) ? {'F_MAYBE' if path.weak else 'F_YES'} : F_NO"


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
    """Compare the first bytes of the path, 8 at a time; a shorter path differs where its NUL is."""
    tests = []
    for at in range(0, len(prefix), 8):
        size = min(8, len(prefix) - at)
        mask = "" if size == 8 else f" & {(1 << 8 * size) - 1:#x}ULL"
        tests.append(f"(*(volatile u64 *)&s->b[{at}]{mask}) == {_word(prefix, at):#x}ULL")
    return "(" + " && ".join(tests) + ")" if tests else "true"


def _ends(suffix: bytes) -> str:
    """Compare the last bytes of the path, from the last one back."""
    tests = [f"length >= {len(suffix)}"]
    for back, byte in enumerate(reversed(suffix), 1):
        tests.append(f"(u8)s->b[(length - {back}) & 0xff] == {byte}")
    return "(" + " && ".join(tests) + ")"
