"""Conditions as a graph of shared nodes, simplified: what predicates and the kernel filter are made from.

Equal parts of a ruleset are one node, so that a macro used by twenty rules is there once. Building folds
constants, flattens ``and`` and ``or``, merges checks of one field (``a = x or a in (y, z)`` is one set),
gathers negations under one ``or``, and puts the cheap and selective parts first: checks have no side effects,
so their order is free. Nothing here recurses: a condition may be deeper than Python's stack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Optional

from agent.compiler.cost import cost_of
from agent.language import typed

TRUE = "true"
FALSE = "false"
LEAF = "leaf"
AND = "and"
OR = "or"
NOT = "not"

MIN_GUARDED = 4
"""Alternatives on one field from which a guard in front of them pays."""

MAX_CHEAP = 1.5
"""Cost up to which a check may be pulled in front of a rule's others."""

Decide = Callable[[typed.Check], Optional[bool]]
"""What a check is known to be before any event is seen; ``None`` if it depends on the event."""


class Node:
    """One condition. ``items`` are its parts; ``check`` is there for a leaf."""

    __slots__ = ("check", "cost", "height", "ident", "items", "kind")

    def __init__(self, kind: str, items: tuple[Node, ...], check: typed.Check | None, ident: int) -> None:
        self.kind = kind
        self.items = items
        self.check = check
        self.ident = ident
        self.height: int = 1 + max((item.height for item in items), default=0)
        self.cost = cost_of(check) if check is not None else 0.0
        if items:
            # A later part is evaluated only if the earlier ones do not decide.
            self.cost = sum(item.cost / (1 + 0.5 * place) for place, item in enumerate(items))


class Graph:
    """Makes nodes, each only once."""

    def __init__(self) -> None:
        self._nodes: dict[Any, Node] = {}
        self._checks: dict[int, tuple[typed.Check, Node]] = {}
        self.true = self._make(TRUE)
        self.false = self._make(FALSE)

    def build(self, condition: typed.Condition, decide: Decide) -> Node:
        """Return the node of a condition, after what ``decide`` knows has been filled in."""
        done: list[Node] = []
        waiting: list[tuple[typed.Condition, bool]] = [(condition, False)]
        while waiting:
            part, visited = waiting.pop()
            if isinstance(part, typed.Check):
                done.append(self._decided(part, decide))
            elif not visited:
                waiting.append((part, True))
                items = (part.item,) if isinstance(part, typed.Not) else part.items
                waiting.extend((item, False) for item in reversed(items))
            elif isinstance(part, typed.Not):
                done.append(self.negate(done.pop()))
            else:
                items_done = done[-len(part.items) :]
                del done[-len(part.items) :]
                join = self.conjunction if isinstance(part, typed.And) else self.disjunction
                done.append(join(items_done))
        return done.pop()

    def leaf(self, check: typed.Check) -> Node:
        """Return the node of one check."""
        known = self._checks.get(id(check))
        if known is not None:
            return known[1]
        node = self._make(LEAF, check=check)
        self._checks[id(check)] = (check, node)  # keeps the check alive, so that its id stays its own
        return node

    def negate(self, node: Node) -> Node:
        """Return ``not node``."""
        if node.kind == NOT:
            return node.items[0]
        if node.kind in (TRUE, FALSE):
            return self.false if node.kind == TRUE else self.true
        return self._make(NOT, (node,))

    def conjunction(self, items: Iterable[Node]) -> Node:
        """Return the ``and`` of nodes."""
        parts = self._parts(AND, items)
        negated = [node.items[0] for node in parts if node.kind == NOT]
        kept = [node for node in parts if node.kind != NOT]
        if any(node in parts for node in negated):
            return self.false
        if negated:
            kept.append(self.negate(self.disjunction(negated)))
        return self._chain(AND, kept, self.true, self.false)

    def disjunction(self, items: Iterable[Node]) -> Node:
        """Return the ``or`` of nodes."""
        parts = self._parts(OR, items)
        negated = [node.items[0] for node in parts if node.kind == NOT]
        if any(node in parts for node in negated):
            return self.true
        if len(negated) > 1:
            kept = [node for node in parts if node.kind != NOT]
            kept.append(self.negate(self.conjunction(negated)))
            parts = dict.fromkeys(kept)
        return self._chain(OR, self._guarded(self._merge(list(parts))), self.false, self.true)

    def factor(self, rules: Sequence[tuple[int, Node]]) -> tuple[list[tuple[int, Node]], list[Node]]:
        """Pull what many rules ask first into guards that are evaluated once.

        A rule's part in it is the set of its cheap checks that :data:`MIN_GUARDED` rules ask. Returns the
        rules with guards in front, and the guards.
        """
        cheap = [_cheap_checks(node) for _, node in rules]
        uses = Counter(item for items in cheap for item in items)
        common = [tuple(item for item in items if uses[item] >= MIN_GUARDED) for items in cheap]
        shared = Counter(common)
        guards: dict[tuple[Node, ...], Node] = {}
        factored = []
        for (place, node), items in zip(rules, common):
            if len(items) < 2 or shared[items] < 2:
                factored.append((place, node))
                continue
            guard = guards.setdefault(items, self._make(AND, items))
            rest = tuple(item for item in node.items if item not in items)
            factored.append((place, self._make(AND, (guard, *rest))))
        return factored, list(guards.values())

    def _decided(self, check: typed.Check, decide: Decide) -> Node:
        known = decide(check)
        if known is None:
            return self.leaf(check)
        return self.true if known else self.false

    def _make(self, kind: str, items: tuple[Node, ...] = (), check: typed.Check | None = None) -> Node:
        key: Any = (kind, check) if check is not None else (kind, *(item.ident for item in items))
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = Node(kind, items, check, len(self._nodes))
        return node

    @staticmethod
    def _parts(kind: str, items: Iterable[Node]) -> dict[Node, None]:
        """Flatten nested chains of one kind, each part once, in order."""
        parts: dict[Node, None] = {}
        for item in items:
            for part in item.items if item.kind == kind else (item,):
                parts[part] = None
        return parts

    def _chain(self, kind: str, items: Iterable[Node], neutral: Node, absorbing: Node) -> Node:
        parts = self._parts(kind, items)
        if absorbing in parts:
            return absorbing
        parts.pop(neutral, None)
        if len(parts) < 2:
            return next(iter(parts), neutral)
        return self._make(kind, tuple(sorted(parts, key=_order)))

    def _guarded(self, parts: list[Node]) -> list[Node]:
        """Put one set in front of many alternatives that each ask for another value of the same field.

        ``(a = x and …) or (a = y and …) or …`` becomes ``a in (x, y, …) and (… or …)``.
        """
        groups: dict[Any, list[tuple[Node, typed.Check]]] = {}
        for node in parts:
            asked = _asked(node)
            if asked is not None:
                groups.setdefault(asked.left, []).append((node, asked))
        for group in groups.values():
            if len(group) >= MIN_GUARDED:
                grouped = {node for node, _ in group}
                guard = self._union([check for _, check in group])
                body = self._make(OR, tuple(sorted(grouped, key=_order)))
                parts = [node for node in parts if node not in grouped]
                parts.append(self._make(AND, (guard, body)))
        return parts

    def _merge(self, parts: list[Node]) -> list[Node]:
        """Make one check of several on the same expression."""
        merged: dict[Any, list[typed.Check]] = {}
        rest: list[Node] = []
        for node in parts:
            key = _merge_key(node)
            if key is None or node.check is None:
                rest.append(node)
            else:
                merged.setdefault(key, []).append(node.check)
        return [self._union(checks) for checks in merged.values()] + rest

    def _union(self, checks: list[typed.Check]) -> Node:
        if len(checks) == 1:
            return self.leaf(checks[0])
        values: dict[Any, None] = {}
        for check in checks:
            values.update(dict.fromkeys((check.value,) if check.values is None else check.values))
        first = checks[0]
        if first.op in ("=", "in"):
            return self._make(
                LEAF, check=replace(first, op="in", value=None, values=tuple(values), modifier=None)
            )
        return self._make(LEAF, check=replace(first, value=None, values=tuple(values), modifier="anyof"))


def _cheap_checks(node: Node) -> list[Node]:
    """Return the checks in an ``and`` that cost little and look at one thing."""
    if node.kind != AND:
        return []
    return [item for item in node.items if item.kind == LEAF and item.cost <= MAX_CHEAP]


def _merge_key(node: Node) -> Any:
    """Return what checks that can be merged with this one have in common; ``None`` if there are none."""
    check = node.check
    if check is None or check.left.type.is_list or not is_constant(check):
        return None
    if check.op == "in" or (check.op == "=" and check.modifier in (None, "anyof")):
        return (check.left, "in")
    if check.op in ("startswith", "endswith", "contains") and check.modifier in (None, "anyof"):
        return (check.left, check.op)
    return None


def _asked(node: Node) -> typed.Check | None:
    """Return the first part of an ``and`` that asks for values of a field."""
    if node.kind != AND:
        return None
    for item in node.items:
        key = _merge_key(item)
        if key is not None and key[1] == "in":
            return item.check
    return None


def is_constant(check: typed.Check) -> bool:
    """Say whether the right side is constant."""
    return check.expression is None and check.op != "exists"


def _order(node: Node) -> tuple[float, int, int]:
    """Cheap first; among equals the positive one, which is the more selective."""
    return (node.cost, node.kind == NOT, node.ident)


def checks_of(condition: typed.Condition) -> list[typed.Check]:
    """Return the checks of a condition, from left to right."""
    found: list[typed.Check] = []
    waiting: list[typed.Condition] = [condition]
    while waiting:
        part = waiting.pop()
        if isinstance(part, typed.Check):
            found.append(part)
        elif isinstance(part, typed.Not):
            waiting.append(part.item)
        else:
            waiting.extend(reversed(part.items))
    return found
