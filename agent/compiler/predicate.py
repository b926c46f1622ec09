"""Conditions to Python source: one function for all rules that can match one event type.

A field is loaded at most once per call, when it is first needed, into a local variable; a costly part that
several rules share is remembered likewise. What is known to be loaded, and to have a value, is followed
through ``and``, ``or`` and ``not``, so the tests for it disappear. Nothing that a rules file says becomes
source text except as the ``repr`` of ``bytes`` or a number: all else is bound by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Callable, NamedTuple

from agent.compiler.dag import AND, FALSE, LEAF, NOT, OR, TRUE, Node
from agent.compiler.operands import ancestors, either, is_ancestor, is_either, keys_of, left_test
from agent.compiler.transformers import transformer
from agent.compiler.values import ORDER, pair_test
from agent.event import Event
from agent.language import typed

Matcher = Callable[[Event], Sequence[int]]
"""From an event to the places of the rules that match, in order."""

MAX_HEIGHT = 12
"""Levels of a condition in one expression; what is deeper becomes a function of its own."""
MEMO_COST = 3.0
"""From this cost on, a part that occurs more than once is remembered."""
_INLINE = 80
"""Longest constant written into the source, in bytes."""


_TEMPLATES = {
    **{op: f"({{value}} {op} {{constant}})" for op in ("!=", *ORDER)},
    "contains": "({constant} in {value})",
    "bcontains": "({constant} in {value})",
    "startswith": "{value}.startswith({constant})",
    "bstartswith": "{value}.startswith({constant})",
    "endswith": "{value}.endswith({constant})",
}


class _Code(NamedTuple):
    """An expression, and what is known after it: a bit per variable, for loaded and for having a value."""

    text: str
    if_true: int
    if_false: int


class Writer:
    """Writes and compiles one module of source, for the rules of one event type.

    ``guards`` are parts that are remembered however cheap they are.
    """

    def __init__(
        self, rules: Sequence[tuple[int, Node]], *, first: bool, guards: Collection[Node] = ()
    ) -> None:
        self._rules = rules
        self._first = first
        self._guards = guards
        self._uses = _count_uses(node for _, node in rules)
        self._names: dict[str, Any] = {"ANCESTORS": ancestors, "EITHER": either, "U": _UNSET}
        self._bound: dict[int, str] = {}
        self._keep: list[Any] = []
        self._outlined: dict[Node, str] = {}
        self._waiting: list[Node] = []
        self._variables: dict[Any, int] = {}
        self._touched = 0
        self._unset: set[int] = set()
        self._facts: dict[int, tuple[int, int]] = {}

    def source(self) -> str:
        """Return the source of the module: ``match``, and the helpers of conditions that nest deeply."""
        functions = [self._match()]
        while self._waiting:
            functions.append(self._helper(self._waiting.pop()))
        return "\n".join(functions)

    def compile(self, name: str) -> Matcher:
        """Compile the module; ``name`` stands in tracebacks."""
        code = compile(self.source(), f"<rules for {name}>", "exec")
        exec(code, self._names)  # noqa: S102 - our own source, see the module's docstring
        match: Matcher = self._names["match"]
        return match

    def _match(self) -> str:
        self._begin()
        lines, known = [], 0
        for place, node in self._rules:
            code = self._node(node, known)
            lines.append(f"    if {code.text}:")
            lines.append(f"        return ({place},)" if self._first else f"        hits.append({place})")
            known = code.if_false if self._first else code.if_true & code.if_false
        if self._first:
            return "\n".join(["def match(e):", *self._unset_line(), *lines, "    return ()\n"])
        head = ["def match(e):", "    hits = []", *self._unset_line()]
        return "\n".join([*head, *lines, "    return hits\n"])

    def _helper(self, node: Node) -> str:
        self._begin()
        code = self._plain(node, 0)
        head = [f"def {self._outlined[node]}(e):", *self._unset_line()]
        return "\n".join([*head, f"    return {code.text}\n"])

    def _begin(self) -> None:
        self._variables = {}
        self._touched = 0
        self._unset = set()
        self._facts = {}

    def _unset_line(self) -> list[str]:
        """Return the line that gives variables a first value where a path may come to them unloaded."""
        if not self._unset:
            return []
        return ["    " + " = ".join(f"v{index}" for index in sorted(self._unset)) + " = U"]

    def _node(self, node: Node, known: int) -> _Code:
        """Write a part, remembered if it is costly and shared."""
        if self._uses[node] < 2 or (node.cost < MEMO_COST and node not in self._guards):
            return self._outline(node, known)
        index = self._variable(("memo", node))
        if known & _loaded(index):
            facts = self._facts.get(index, (0, 0))
            return _Code(f"v{index}", known | facts[0], known | facts[1])
        code = self._outline(node, known)
        text = self._lazily(index, code.text)
        # What its evaluation made known holds wherever its outcome is remembered.
        self._facts.setdefault(index, (code.if_true & ~known, code.if_false & ~known))
        return _Code(text, code.if_true | _loaded(index), code.if_false | _loaded(index))

    def _outline(self, node: Node, known: int) -> _Code:
        """Write a part in place, or as a call if it is the top of a deep one."""
        if node.height % MAX_HEIGHT or node.kind == LEAF:
            return self._plain(node, known)
        if node not in self._outlined:
            self._outlined[node] = f"h{node.ident}"
            self._waiting.append(node)
        return _Code(f"{self._outlined[node]}(e)", known, known)

    def _plain(self, node: Node, known: int) -> _Code:
        if node.check is not None:
            return self._check(node.check, known)
        if node.kind == NOT:
            inner = self._node(node.items[0], known)
            return _Code(f"not {inner.text}", inner.if_false, inner.if_true)
        if node.kind in (AND, OR):
            return self._chain(node, known)
        return _Code({TRUE: "True", FALSE: "False"}[node.kind], known, known)

    def _chain(self, node: Node, known: int) -> _Code:
        texts, other = [], -1
        for item in node.items:
            code = self._node(item, known)
            texts.append(code.text)
            known, left = (code.if_true, code.if_false) if node.kind == AND else (code.if_false, code.if_true)
            other &= left
        text = "(" + f" {node.kind} ".join(texts) + ")"
        return _Code(text, known, other) if node.kind == AND else _Code(text, other, known)

    def _check(self, check: typed.Check, known: int) -> _Code:
        if check.expression is not None:
            return self._pair(check, known)
        name, load, known = self._value(check.left, known)
        present = _present(int(name[1:]))
        plain = not (is_ancestor(check.left) or is_either(check.left))
        if check.op == "exists":
            text = "True" if known & present else f"({load} is not None)"
        elif plain and (equality := self._equality(check, load)) is not None:
            text = equality
        elif known & present:
            text = self._test(check, load, plain=plain)
        else:
            text = f"({load} is not None and {self._test(check, name, plain=plain)})"
        return _Code(text, known | present, known)

    def _equality(self, check: typed.Check, load: str) -> str | None:
        """Write a test that a missing value fails by itself."""
        if check.left.type.is_list or check.left.type.name == "IPNET":
            return None
        if check.left.type.name == "BOOL" and (check.op, check.value) == ("=", True):
            return load
        if check.values is None:
            equals = check.op in ("=", "in", "intersects")
            return f"({load} == {self._constant(check.value)})" if equals else None
        if check.op in ("in", "intersects") or (check.op == "=" and check.modifier == "anyof"):
            return f"({load} in {self._constant(frozenset(check.values))})"
        return None

    def _test(self, check: typed.Check, value: str, *, plain: bool) -> str:
        """Write the test of a value that is there."""
        if plain and not check.left.type.is_list and check.left.type.name != "IPNET":
            inline = self._inline(check, value)
            if inline is not None:
                return inline
        return f"{self._bind(left_test(check))}({value})"

    def _inline(self, check: typed.Check, value: str) -> str | None:
        """Write a test without a call; ``None`` where there is no such way."""
        if check.modifier == "anyof" and check.values:
            return self._inline_any(check, check.values, value)
        if check.values is not None:
            return None
        constant = check.value
        if check.op == "icontains":
            return f"({self._constant(constant.lower())} in {value}.lower())"
        template = _TEMPLATES.get(check.op)
        return None if template is None else template.format(value=value, constant=self._constant(constant))

    def _inline_any(self, check: typed.Check, constants: tuple[Any, ...], value: str) -> str | None:
        if check.op in ("startswith", "bstartswith", "endswith"):
            return f"{value}.{_method(check.op)}({self._constant(constants)})"
        if check.op in ("contains", "bcontains") and len(constants) <= 8 and value.isidentifier():
            return "(" + " or ".join(f"{self._constant(item)} in {value}" for item in constants) + ")"
        return None

    def _pair(self, check: typed.Check, known: int) -> _Code:
        """Write a comparison of two expressions: false unless both have a value."""
        assert check.expression is not None  # noqa: S101 - for the type checker
        left, load_left, known = self._value(check.left, known)
        right, load_right, after = self._value(check.expression, known)
        test = self._bind(_left_pair_test(check))
        text = f"({load_left} is not None and {load_right} is not None and {test}({left}, {right}))"
        present = _present(int(left[1:])) | _present(int(right[1:]))
        return _Code(text, after | present, known)

    def _value(self, expression: typed.Expression, known: int) -> tuple[str, str, int]:
        """Return the variable of an expression, the text that loads it if need be, and what is known then."""
        index = self._variable(expression)
        name = f"v{index}"
        if known & _loaded(index):
            return name, name, known
        return name, self._lazily(index, self._load(expression)), known | _loaded(index)

    def _load(self, expression: typed.Argument) -> str:
        if isinstance(expression, typed.Field):
            keys = [self._key(key) for key in keys_of(expression)]
            if is_ancestor(expression):
                return f"ANCESTORS(e, {keys[0]})"
            return f"e[{keys[0]}]" if len(keys) == 1 else f"EITHER(e[{keys[0]}], e[{keys[1]}])"
        if isinstance(expression, typed.Transform):
            return f"{self._bind(_loader(expression))}(e)"
        raise TypeError(expression)

    def _lazily(self, index: int, load: str) -> str:
        """Write the first use of a variable: a load, or a look whether some other path has loaded it."""
        bit = 1 << index
        if not self._touched & bit:
            self._touched |= bit
            return f"(v{index} := {load})"
        self._unset.add(index)
        return f"(v{index} if v{index} is not U else (v{index} := {load}))"

    def _variable(self, key: Any) -> int:
        return self._variables.setdefault(key, len(self._variables))

    def _key(self, key: str) -> str:
        return (
            repr(key)
            if key.isascii() and key.replace(".", "").replace("_", "").isalnum()
            else self._bind(key)
        )

    def _constant(self, constant: Any) -> str:
        if isinstance(constant, bool) or (
            isinstance(constant, (bytes, int)) and len(repr(constant)) <= _INLINE
        ):
            return repr(constant)
        return self._bind(constant)

    def _bind(self, value: Any) -> str:
        """Return the name under which the source finds a value."""
        name = self._bound.get(id(value))
        if name is None:
            name = f"c{len(self._keep)}"
            self._bound[id(value)] = name
            self._names[name] = value
            self._keep.append(value)  # so that its id is not given to another
        return name


def _left_pair_test(check: typed.Check) -> Callable[[Any, Any], bool]:
    """Return the comparison of what the left side loads, perhaps several values, with one value."""
    one = pair_test(check)
    if is_either(check.left) and check.op == "!=":
        return lambda values, right: all(one(value, right) for value in values)
    if is_either(check.left) or is_ancestor(check.left):
        return lambda values, right: any(one(value, right) for value in values)
    return one


def _method(op: str) -> str:
    return "endswith" if op == "endswith" else "startswith"


class _Unset:
    """The value of a variable that is not loaded yet."""


_UNSET = _Unset()


def _loaded(index: int) -> int:
    return 1 << (2 * index)


def _present(index: int) -> int:
    return 2 << (2 * index)


def _count_uses(roots: Iterable[Node]) -> Counter[Node]:
    """Count how often each part stands in the conditions, as often as it would be evaluated."""
    uses: Counter[Node] = Counter()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        uses[node] += 1
        if uses[node] == 1:
            waiting.extend(node.items)
    return uses


def _loader(expression: typed.Transform) -> Callable[[Event], Any]:
    """Return the function that computes a transformer from an event; ``None`` if an argument has no value."""
    function = transformer(expression)
    loaders = [argument_loader(argument) for argument in expression.args]

    def load(event: Event) -> Any:
        values = []
        for loader in loaders:
            value = loader(event)
            if value is None:
                return None
            values.append(value)
        return function(*values)

    return load


def argument_loader(argument: typed.Argument) -> Callable[[Event], Any]:
    """Return the function that gives the value of an expression for an event."""
    if isinstance(argument, typed.Text):
        text = argument.value
        return lambda _event: text
    if isinstance(argument, typed.Texts):
        loaders = [argument_loader(item) for item in argument.items]
        return lambda event: _all_present(tuple(loader(event) for loader in loaders))
    if isinstance(argument, typed.Transform):
        return _loader(argument)
    key = keys_of(argument)[0]
    return lambda event: event[key]


def _all_present(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return None if None in values else values
