"""The filter's intermediate form: when an event may match, as ``and`` and ``or`` over answers of atoms.

Derived from the same graph as the predicate. A condition may be true unless it is known to be false: an atom
in positive place lets an event pass unless its answer is no, one below a ``not`` unless it is yes, and a
check without atom always. So the form has no negation, and *soundness* is this: where the condition is true,
the form keeps the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Union

from agent.compiler.dag import AND, FALSE, NOT, TRUE, Node
from agent.compiler.filter.atoms import Atom, Call, NoAtom
from agent.language import typed


@dataclass(frozen=True)
class Constant:
    """Keep everything, or nothing."""

    keeps: bool


@dataclass(frozen=True)
class Literal:
    """Keep unless the atom's answer is no; or, if ``negated``, unless it is yes."""

    atom: Atom
    negated: bool = False


@dataclass(frozen=True)
class All:
    """Keep what every part keeps."""

    parts: tuple[Form, ...]


@dataclass(frozen=True)
class Some:
    """Keep what some part keeps."""

    parts: tuple[Form, ...]


Form = Union[Constant, Literal, All, Some]
KEEP = Constant(keeps=True)
REJECT = Constant(keeps=False)
FindAtom = Callable[[typed.Check], Union[Atom, NoAtom, Constant]]
"""Gives the atom of a check, why there is none, or what the check always is."""
MAX_DEPTH = 40
"""Deepest form; what lies deeper is kept undecided, so that nothing that works on forms can overflow."""


def keeps(form: Form, call: Call) -> bool:
    """Interpret a form: the reference for the C text."""
    if isinstance(form, Constant):
        return form.keeps
    if isinstance(form, Literal):
        answer = form.atom.answer(call)
        return answer is not True if form.negated else answer is not False
    if isinstance(form, All):
        return all(keeps(part, call) for part in form.parts)
    return any(keeps(part, call) for part in form.parts)


class Builder:
    """Makes forms out of nodes, and collects why a form is not exact."""

    def __init__(self, find: FindAtom) -> None:
        self._find = find
        self._known: dict[tuple[int, bool], Form] = {}
        self.reasons: dict[str, None] = {}
        """Why some check could not be decided in the kernel, each reason once; empty if all can."""

    def may(self, node: Node, *, negated: bool = False, depth: int = 0) -> Form:
        """Return the form of a node, or of its negation."""
        key = (node.ident, negated)
        if key not in self._known:
            self._known[key] = self._may(node, negated, depth)
        return self._known[key]

    def _may(self, node: Node, negated: bool, depth: int) -> Form:  # noqa: FBT001 - as the public one
        if depth > MAX_DEPTH:
            self.reasons["the condition is nested too deeply"] = None
            return KEEP
        if node.kind == NOT:
            return self.may(node.items[0], negated=not negated, depth=depth + 1)
        if node.check is not None:
            return self._literal(node.check, negated)
        if node.kind in (TRUE, FALSE):
            return KEEP if (node.kind == TRUE) is not negated else REJECT
        parts = [self.may(item, negated=negated, depth=depth + 1) for item in node.items]
        return conjunction(parts) if (node.kind == AND) is not negated else disjunction(parts)

    def _literal(self, check: typed.Check, negated: bool) -> Form:  # noqa: FBT001 - as the public one
        atom = self._find(check)
        if isinstance(atom, Constant):
            return KEEP if atom.keeps is not negated else REJECT
        if isinstance(atom, NoAtom):
            self.reasons[atom.reason] = None
            return KEEP
        if getattr(atom, "weak", False):
            self.reasons[f"{check.left.key} {check.op}: only the beginning is compared"] = None  # type: ignore[union-attr]
            return KEEP if negated else Literal(atom)
        return Literal(atom, negated)


def atoms_of(form: Form) -> list[Atom]:
    """Return the atoms of a form, each as often as it stands there."""
    found: list[Atom] = []
    waiting = [form]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Literal):
            found.append(part.atom)
        elif not isinstance(part, Constant):
            waiting.extend(part.parts)
    return found


def without(form: Form, atom: Atom) -> Form:
    """Return the form that an unknown answer of ``atom`` makes of this one."""
    if isinstance(form, Constant):
        return form
    if isinstance(form, Literal):
        return KEEP if form.atom == atom else form
    join = conjunction if isinstance(form, All) else disjunction
    return join(without(part, atom) for part in form.parts)


def conjunction(parts: Iterable[Form]) -> Form:
    """Return the simplified ``and``."""
    kept = _flat(parts, All)
    if REJECT in kept:
        return REJECT
    kept.pop(KEEP, None)
    return _chain(kept, All, KEEP)


def disjunction(parts: Iterable[Form]) -> Form:
    """Return the simplified ``or``; what another part keeps as well is left out."""
    kept = _flat(parts, Some)
    if KEEP in kept:
        return KEEP
    kept.pop(REJECT, None)
    small = {part for part in kept if not isinstance(part, All)}
    absorbed = [part for part in kept if isinstance(part, All) and small.intersection(part.parts)]
    for part in absorbed:
        del kept[part]
    return _chain(kept, Some, REJECT)


def _flat(parts: Iterable[Form], kind: type[All | Some]) -> dict[Form, None]:
    found: dict[Form, None] = {}
    for part in parts:
        inner = part.parts if isinstance(part, kind) else (part,)
        found.update(dict.fromkeys(inner))
    return found


def _chain(parts: dict[Form, None], kind: type[All | Some], neutral: Form) -> Form:
    if len(parts) < 2:
        return next(iter(parts), neutral)
    return kind(tuple(parts))
