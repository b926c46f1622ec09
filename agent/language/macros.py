"""Macros: replace every reference in a condition by the macro's condition.

Trees are shared, not copied: a macro used a hundred times is one object. Nothing here recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from agent.language import tree

MAX_CHECKS = 100_000
"""Most comparisons of one condition after macros are resolved; more is refused."""
MAX_LEVELS = 2_000
"""Deepest nesting of one condition after macros are resolved."""
BUDGET = 1_000_000
"""Most comparisons and references of all conditions together after macros are resolved."""


class MacroError(ValueError):
    """A reference cannot be resolved. ``macro`` is the reference, in the condition that was asked for."""

    def __init__(self, message: str, reference: tree.Macro, name: str) -> None:
        super().__init__(message)
        self.message = message
        self.reference = reference
        self.name = name
        """The macro that is missing or loops; not always the one referred to."""
        self.circle: frozenset[str] = frozenset()
        """The macros that refer to each other in a circle."""


@dataclass(frozen=True)
class Parsed:
    """A condition as parsed, and the macros that it names, in order, each as often as named."""

    root: tree.Condition
    references: tuple[tree.Macro, ...]


@dataclass(frozen=True)
class Resolved:
    """A condition without references."""

    tree: tree.Condition
    checks: int
    """Comparisons and references in it, as often as they occur."""
    levels: int
    macros: frozenset[str]
    """Every macro that went into it, directly or not."""


def find_references(condition: tree.Condition) -> Parsed:
    """Find the macros that a condition names."""
    found: list[tree.Macro] = []
    waiting: list[tree.Condition] = [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, tree.Macro):
            found.append(node)
        elif isinstance(node, tree.Not):
            waiting.append(node.item)
        elif isinstance(node, (tree.And, tree.Or)):
            waiting.extend(reversed(node.items))
    return Parsed(condition, tuple(found))


def substitute(parsed: Parsed, macro: Callable[[str], Resolved]) -> Resolved:
    """Replace each reference by what ``macro`` gives for its name. Raises MacroError for too large ones."""
    done: list[Resolved] = []
    waiting: list[tuple[tree.Condition, bool]] = [(parsed.root, False)]
    while waiting:
        node, ready = waiting.pop()
        if isinstance(node, tree.Macro):
            inner = macro(node.name)
            done.append(Resolved(inner.tree, inner.checks + 1, inner.levels, inner.macros))
        elif isinstance(node, tree.Check):
            done.append(Resolved(node, 1, 1, frozenset()))
        elif not ready:
            waiting.append((node, True))
            waiting.extend((item, False) for item in _children(node))
        else:
            count = len(_children(node))
            parts = done[-count:][::-1]
            del done[-count:]
            done.append(_rebuilt(node, parts))
            _check_size(done[-1], parsed)
    used = frozenset(reference.name for reference in parsed.references)
    all_used = used.union(*(macro(name).macros for name in used))
    return Resolved(done[0].tree, done[0].checks, done[0].levels, all_used)


def _children(node: tree.Condition) -> tuple[tree.Condition, ...]:
    if isinstance(node, tree.Not):
        return (node.item,)
    return node.items if isinstance(node, (tree.And, tree.Or)) else ()


def _rebuilt(node: tree.Condition, parts: list[Resolved]) -> Resolved:
    checks = sum(part.checks for part in parts)
    levels = 1 + max(part.levels for part in parts)
    if all(part.tree is child for part, child in zip(parts, _children(node))):
        return Resolved(node, checks, levels, frozenset())
    rebuilt: tree.Condition
    if isinstance(node, tree.Not):
        rebuilt = tree.Not(parts[0].tree, pos=node.pos)
    elif isinstance(node, tree.And):
        rebuilt = tree.And(tuple(part.tree for part in parts), pos=node.pos)
    else:
        rebuilt = tree.Or(tuple(part.tree for part in parts), pos=node.pos)
    return Resolved(rebuilt, checks, levels, frozenset())


def _check_size(resolved: Resolved, parsed: Parsed) -> None:
    if not parsed.references or (resolved.checks <= MAX_CHECKS and resolved.levels <= MAX_LEVELS):
        return
    largest = parsed.references[0]
    if resolved.checks > MAX_CHECKS:
        message = (
            f"macros make the condition grow to {resolved.checks} comparisons, the limit is {MAX_CHECKS}"
        )
    else:
        message = f"macros nest the condition {resolved.levels} levels deep, the limit is {MAX_LEVELS}"
    raise MacroError(message, largest, largest.name)


@dataclass
class _Frame:
    """A condition being resolved, and which of its references are still to be looked at."""

    name: str
    condition: Parsed
    remaining: Iterator[tree.Macro]


class MacroResolver:
    """Resolves references. Macros that are done are in ``resolved``; others are done as they are needed."""

    def __init__(self, parsed: Mapping[str, Parsed]) -> None:
        self._parsed = parsed
        self._spent = 0
        self.resolved: dict[str, Resolved] = {}

    def resolve(self, condition: Parsed, visible: Callable[[str], bool], own_name: str = "") -> Resolved:
        """Resolve a condition, which is that of macro ``own_name`` if given.

        Only macros for which ``visible`` holds may be used. Raises MacroError.
        """
        if not condition.references:
            return substitute(condition, self.resolved.__getitem__)
        ready: dict[str, Resolved] = {}
        stack = [_Frame(own_name, condition, iter(condition.references))]
        path = {own_name}
        while True:
            frame = stack[-1]
            needed = self._next_needed(stack, ready, visible)
            if needed is None:
                result = substitute(frame.condition, lambda name: ready.get(name) or self.resolved[name])
                self._spend(result.checks, stack)
                stack.pop()
                path.discard(frame.name)
                if not stack:
                    return result
                ready[frame.name] = result
            elif needed in path:
                raise _loop(needed, own_name, stack)
            else:
                self._spend(1, stack)
                parsed = self._parsed[needed]
                stack.append(_Frame(needed, parsed, iter(parsed.references)))
                path.add(needed)

    def _spend(self, amount: int, stack: list[_Frame]) -> None:
        self._spent += amount
        if self._spent > BUDGET:
            message = f"macros make all conditions together grow to more than {BUDGET} comparisons"
            raise MacroError(message, _origin(stack), "")

    def _next_needed(
        self, stack: list[_Frame], ready: Mapping[str, Resolved], visible: Callable[[str], bool]
    ) -> str | None:
        for reference in stack[-1].remaining:
            name = reference.name
            if not visible(name):
                at = reference if len(stack) == 1 else _origin(stack)
                raise MacroError(f"Undefined macro '{name}' used in filter.", at, name)
            if name not in ready and name not in self.resolved:
                return name
        return None


def _loop(needed: str, own_name: str, stack: list[_Frame]) -> MacroError:
    names = [frame.name for frame in stack]
    looping = stack[1].name if needed == own_name and len(stack) > 1 else needed
    error = MacroError(f"reference loop in macro '{looping}'", _origin(stack), looping)
    error.circle = frozenset(names[names.index(needed) :])
    return error


def _origin(stack: list[_Frame]) -> tree.Macro:
    """Return the reference in the outermost condition through which the search came to where it is."""
    references = stack[0].condition.references
    if len(stack) > 1:
        return next(one for one in references if one.name == stack[1].name)
    return references[0]
