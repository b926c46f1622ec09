"""Which event types a condition can match, from its text alone.

Sets of event types are numbers with a bit per type, and every condition gives a pair of them: the types for
which it *may* be true and those for which it *must* be. A check that says nothing about the event's type may
be true for all and must be for none. ``and`` intersects, ``or`` unites, ``not`` swaps the two and complements
them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Callable, NamedTuple

from agent.fields.catalogue import CATALOGUE
from agent.language import tree
from agent.language.patterns.glob import compile_glob
from agent.language.patterns.prefix import compile_prefixes
from agent.language.patterns.regex import compile_regex

TYPE_FIELDS = frozenset({"evt.type", "syscall.type"})
"""Fields whose value is the name of the event type."""

_Texts = tuple[bytes, ...]


class _Pair(NamedTuple):
    may: int
    must: int


class EventTypes:
    """Narrowing over one universe of event types."""

    def __init__(self, universe: Collection[str]) -> None:
        self._names = tuple(sorted(universe))
        self._bit = {name.encode(): 1 << at for at, name in enumerate(self._names)}
        self._all = (1 << len(self._names)) - 1

    def matching(self, condition: tree.Condition) -> frozenset[str]:
        """Return the event types that ``condition`` can match, as narrowly as its text tells.

        Every comparison of ``evt.type`` with constants counts. Raises ValueError if a macro is left in it.
        """
        return self._unpack(self._walk(condition, _narrow))

    def declared(self, condition: tree.Condition) -> frozenset[str]:
        """Return what Falco's own pass gives, on which its warning ``LOAD_NO_EVTTYPE`` rests.

        Of the comparisons of ``evt.type`` it knows only ``=``, ``!=``, ``in`` and ``exists``. Raises
        ValueError if a macro is left, or if the event type is transformed or compared with a field.
        """
        return self._unpack(self._walk(condition, _declared))

    def _unpack(self, pair: _Pair) -> frozenset[str]:
        if pair.may == self._all:
            return frozenset(self._names)
        return frozenset(name for at, name in enumerate(self._names) if pair.may >> at & 1)

    def _walk(self, condition: tree.Condition, judge: _Judge) -> _Pair:
        """Fold the tree without recursion: it may be deeper than Python's stack."""
        waiting: list[tuple[tree.Condition, bool]] = [(condition, False)]
        done: list[_Pair] = []
        while waiting:
            node, visited = waiting.pop()
            if isinstance(node, tree.Macro):
                raise ValueError(f"macro {node.name} is not resolved")  # noqa: TRY004 - the tree is wrong, not its type
            if isinstance(node, tree.Check):
                done.append(judge(self, node))
            elif not visited:
                waiting.append((node, True))
                items = (node.item,) if isinstance(node, tree.Not) else node.items
                waiting.extend((item, False) for item in items)
            else:
                self._combine(node, done)
        return done.pop()

    def _combine(self, node: tree.And | tree.Or | tree.Not, done: list[_Pair]) -> None:
        if isinstance(node, tree.Not):
            pair = done.pop()
            done.append(_Pair(self._all & ~pair.must, self._all & ~pair.may))
            return
        may = must = self._all if isinstance(node, tree.And) else 0
        for _ in node.items:
            pair = done.pop()
            if isinstance(node, tree.And):
                may, must = may & pair.may, must & pair.must
            else:
                may, must = may | pair.may, must | pair.must
        done.append(_Pair(may, must))

    def unknown(self) -> _Pair:
        """Return the pair of a check that says nothing about the type."""
        return _Pair(self._all, 0)

    def exactly(self, types: int) -> _Pair:
        """Return the pair of a check that is true for these types and no other."""
        return _Pair(types, types)

    def always(self, *, true: bool) -> _Pair:
        """Return the pair of a check with the same answer for all types."""
        return self.exactly(self._all if true else 0)

    def named(self, names: _Texts) -> int:
        """Return the set of types out of these names."""
        bits = 0
        for name in names:
            bits |= self._bit.get(name, 0)
        return bits

    def others(self, types: int) -> int:
        """Return the set of all types but these."""
        return self._all & ~types

    def passing(self, test: Callable[[bytes], bool]) -> int:
        """Return the set of types whose name passes a test."""
        bits = 0
        for name, bit in self._bit.items():
            if test(name):
                bits |= bit
        return bits


_Judge = Callable[[EventTypes, tree.Check], _Pair]


def event_types(condition: tree.Condition) -> frozenset[str]:
    """Return the event types of the catalogue that ``condition``, without macros, can match."""
    return _catalogue_types().matching(condition)


def declared_event_types(condition: tree.Condition) -> frozenset[str]:
    """Return what :func:`event_types` would be to Falco (:meth:`EventTypes.declared`)."""
    return _catalogue_types().declared(condition)


_cache: list[EventTypes] = []


def _catalogue_types() -> EventTypes:
    if not _cache:
        _cache.append(EventTypes(CATALOGUE.event_types))
    return _cache[0]


def _declared(types: EventTypes, check: tree.Check) -> _Pair:
    if _mentions_type(check):
        raise ValueError("the event type can be neither transformed nor compared with another field")
    if not isinstance(check.left, tree.Field):
        return types.unknown()
    if check.left.name == "evt.num":
        return _event_number(types, check)
    if check.left.name not in TYPE_FIELDS or check.modifier is not None:
        return types.unknown()
    if check.op not in ("=", "==", "!=", "in", "exists"):
        return types.unknown()
    return _compare(types, check)


def _narrow(types: EventTypes, check: tree.Check) -> _Pair:
    if not isinstance(check.left, tree.Field):
        return types.unknown()
    if check.left.name == "evt.num":
        return _event_number(types, check)
    if check.left.name not in TYPE_FIELDS:
        return types.unknown()
    if check.modifier is not None:
        return _modified(types, check)
    return _compare(types, check)


def _mentions_type(check: tree.Check) -> bool:
    """Say whether the type stands inside a transformer, or on the right."""
    waiting: list[object] = [check.right]
    waiting.append(check.left if isinstance(check.left, tree.Transform) else None)
    if isinstance(check.right, (tree.ValueOf, tree.Transform)) and _is_type(check.left):
        return True
    while waiting:
        part = waiting.pop()
        if _is_type(part):
            return True
        if isinstance(part, tree.Transform):
            waiting.extend(part.args)
        elif isinstance(part, tree.ArgumentList):
            waiting.extend(part.items)
        elif isinstance(part, tree.ValueOf):
            waiting.append(part.of)
    return False


def _is_type(part: object) -> bool:
    return isinstance(part, tree.Field) and part.name in TYPE_FIELDS


def _event_number(types: EventTypes, check: tree.Check) -> _Pair:
    """Events are counted from 1, so a comparison of ``evt.num`` with 0 is decided."""
    if check.modifier is not None or not isinstance(check.right, tree.Literal):
        return types.unknown()
    text = check.right.value
    if not text.isdigit() or len(text) > 20:
        return types.unknown()
    number = int(text)
    if check.op in ("!=", ">"):
        return types.always(true=True) if number == 0 else types.unknown()
    if check.op == ">=":
        return types.always(true=True) if number <= 1 else types.unknown()
    bound = {"=": 0, "==": 0, "<=": 0, "<": 1}.get(check.op, -1)
    return types.always(true=False) if number <= bound else types.unknown()


def _compare(types: EventTypes, check: tree.Check) -> _Pair:
    """Judge a check without modifier on the type itself."""
    if check.op == "exists":
        return types.always(true=True)
    constants = _constants(check.right)
    if constants is None:
        return types.unknown()
    if check.op in ("=", "==", "in", "intersects"):
        return types.exactly(types.named(constants))
    if check.op == "!=":
        return types.exactly(types.others(types.named(constants)))
    if check.op == "pmatch":
        return types.exactly(types.passing(compile_prefixes(constants)))
    return _each(types, check.op, constants[0])


def _modified(types: EventTypes, check: tree.Check) -> _Pair:
    constants = _constants(check.right)
    if constants is None:
        return types.unknown()
    if not constants:
        return types.always(true=False)
    bits = [_one(types, check.op, constant) for constant in constants]
    if None in bits:
        return types.unknown()
    return types.exactly(_count(types, check.modifier, [bit for bit in bits if bit is not None]))


def _count(types: EventTypes, modifier: str | None, sets: list[int]) -> int:
    """Return the types that are in one, any or all of several sets."""
    some, several, every = 0, 0, types.others(0)
    for bits in sets:
        several |= some & bits
        some |= bits
        every &= bits
    return {"anyof": some, "allof": every, "oneof": some & ~several}[modifier or "anyof"]


def _each(types: EventTypes, op: str, constant: bytes) -> _Pair:
    bits = _one(types, op, constant)
    return types.unknown() if bits is None else types.exactly(bits)


def _one(types: EventTypes, op: str, constant: bytes) -> int | None:
    if op in ("=", "=="):
        return types.named((constant,))
    if op == "!=":
        return types.others(types.named((constant,)))
    test = _text_test(op, constant)
    return None if test is None else types.passing(test)


def _text_test(op: str, constant: bytes) -> Callable[[bytes], bool] | None:
    if op == "regex":
        return compile_regex(constant)
    if op in ("glob", "iglob"):
        return compile_glob(constant, ignore_case=op == "iglob")
    lowered = constant.lower()
    tests: dict[str, Callable[[bytes], bool]] = {
        "contains": lambda name: constant in name,
        "icontains": lambda name: lowered in name.lower(),
        "startswith": lambda name: name.startswith(constant),
        "endswith": lambda name: name.endswith(constant),
    }
    return tests.get(op)


def _constants(right: tree.Right | None) -> _Texts | None:
    if isinstance(right, tree.Literal):
        return (right.value,)
    if isinstance(right, tree.LiteralList):
        return tuple(item.value for item in right.items)
    return None
