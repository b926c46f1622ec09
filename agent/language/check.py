"""Check the types of a condition and give every constant its value.

``check`` reports every problem of a condition, not only the first. Texts are upstream's
where upstream has one (``filter.cpp``, ``sinsp_filtercheck.cpp``).
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.fields.catalogue import CATALOGUE, Catalogue, UnknownFieldError
from agent.fields.resolve import resolve
from agent.fields.types import STRINGS, Type
from agent.language import tree, typed
from agent.language.constants import ConstantError, parse_constant
from agent.language.errors import ConditionTypeError
from agent.language.hints import hints
from agent.language.operator_types import operator_error
from agent.language.transformers import TransformerError, result_type

_BOOLEAN = (tree.And, tree.Or, tree.Not)


@dataclass(frozen=True)
class Problem:
    """Something wrong, or doubtful, at byte ``pos`` of the condition text."""

    message: str
    pos: int


@dataclass(frozen=True)
class Checked:
    """The result of ``check``."""

    condition: typed.Condition | None
    """``None`` if there are problems."""
    problems: tuple[Problem, ...] = ()
    hints: tuple[Problem, ...] = ()
    """What loads, but is probably not what was meant (upstream's ``LOAD_COMPILE_CONDITION``)."""


def check(
    condition: tree.Condition, catalogue: Catalogue = CATALOGUE, *, wrap_integers: bool = False
) -> Checked:
    """Check ``condition``, in which macros and lists are resolved already.

    ``wrap_integers`` keeps Falco's way with integer constants out of their type's range: they wrap
    around or saturate without a word. Without it they are refused.
    """
    checker = _Checker(catalogue, wrap_integers=wrap_integers)
    result = checker.condition(condition)
    if checker.problems:
        return Checked(None, tuple(checker.problems), tuple(checker.hints))
    return Checked(result, (), tuple(checker.hints))


class _Checker:
    def __init__(self, catalogue: Catalogue, *, wrap_integers: bool) -> None:
        self.catalogue = catalogue
        self.wrap_integers = wrap_integers
        self.problems: list[Problem] = []
        self.hints: list[Problem] = []

    def condition(self, root: tree.Condition) -> typed.Condition | None:
        """Return ``root`` typed. Walks with a stack of its own: macros in macros make trees deep."""
        done: list[typed.Condition | None] = []
        work: list[tuple[tree.Condition, bool]] = [(root, False)]
        while work:
            node, visited = work.pop()
            if not isinstance(node, _BOOLEAN):
                done.append(self._leaf(node))
            elif visited:
                _reduce(node, done)
            else:
                work.append((node, True))
                items = (node.item,) if isinstance(node, tree.Not) else node.items
                work.extend((item, False) for item in reversed(items))
        return done.pop()

    def _leaf(self, node: tree.Check | tree.Macro) -> typed.Condition | None:
        if isinstance(node, tree.Macro):
            self.problems.append(Problem(f"filter error: unexpected identifier '{node.name}'", node.pos))
            return None
        try:
            return self._check(node)
        except ConditionTypeError as error:
            self.problems.append(Problem(error.message, error.pos))
            return None

    def _check(self, node: tree.Check) -> typed.Check:
        op = "=" if node.op == "==" else node.op
        left = self.expression(node.left)
        error = operator_error(op, left.type, modified=node.modifier is not None)
        if error is not None:
            raise ConditionTypeError(error, node.pos)
        right = node.right
        if right is None:
            return typed.Check(left, op, pos=node.pos)
        if isinstance(right, (tree.ValueOf, tree.Transform)):
            return typed.Check(left, op, expression=self._right(left, op, right), pos=node.pos)
        if isinstance(right, tree.Literal):
            return typed.Check(left, op, value=self._constant(left, op, right), pos=node.pos)
        if isinstance(right, tree.ListRef):  # a list that nobody defined is a list of its own name
            right = tree.LiteralList((tree.Literal(right.name.encode(), right.pos),), right.pos)
        values = tuple([self._constant(left, op, item) for item in right.items])
        return typed.Check(left, op, values=values, modifier=node.modifier, pos=node.pos)

    def expression(self, node: tree.Left) -> typed.Expression:
        """Return a field or transformer typed. Raises ConditionTypeError."""
        return self._field(node) if isinstance(node, tree.Field) else self._transform(node)

    def _field(self, node: tree.Field) -> typed.Field:
        try:
            use = resolve(self.catalogue, node.name, node.arg)
        except UnknownFieldError as error:
            raise ConditionTypeError(str(error), node.pos) from None
        return typed.Field(use.key, use.type, use.info, use.arg, node.pos)

    def _transform(self, node: tree.Transform) -> typed.Transform:
        args = tuple([self._argument(arg) for arg in node.args])
        types = [arg.type for arg in args]
        try:
            type_ = result_type(node.name, types, _innermost(args[0]), node.index)
        except TransformerError as error:
            raise ConditionTypeError(str(error), node.pos) from None
        return typed.Transform(node.name, args, type_, node.index, node.pos)

    def _argument(self, node: tree.Argument) -> typed.Argument:
        if isinstance(node, tree.Literal):
            return typed.Text(node.value, pos=node.pos)
        if isinstance(node, tree.ArgumentList):
            return self._texts(node)
        if isinstance(node, tree.Transform):
            return self._transform(node)
        field = self._field(node)
        if field.info.no_transformer:
            raise ConditionTypeError(f"field '{field.info.name}' does not support transformers", node.pos)
        return field

    def _texts(self, node: tree.ArgumentList) -> typed.Texts:
        items = tuple([self._argument(item) for item in node.items])
        for item in items:
            if item.type.is_list or item.type.name not in STRINGS:
                message = f"a list in brackets holds single strings, and this is of type '{item.type}'"
                raise ConditionTypeError(message, item.pos)
        return typed.Texts(items, pos=node.pos)

    def _right(
        self, left: typed.Expression, op: str, node: tree.ValueOf | tree.Transform
    ) -> typed.Expression:
        right = self._value_of(node) if isinstance(node, tree.ValueOf) else self._transform(node)
        error = _right_error(left, op, right)
        if error is not None:
            raise ConditionTypeError(error, node.pos)
        return right

    def _value_of(self, node: tree.ValueOf) -> typed.Field:
        if node.index is not None:
            raise ConditionTypeError(
                "filter error: transformer 'val' does not support field arguments", node.pos
            )
        return self._field(node.of)

    def _constant(self, left: typed.Expression, op: str, node: tree.Literal) -> typed.Constant:
        for hint in hints(node.value, op, self.catalogue):
            self.hints.append(Problem(hint, node.pos))
        try:
            value = parse_constant(node.value, left.type.name, op, wrap=self.wrap_integers)
        except ConstantError as error:
            raise ConditionTypeError(str(error), node.pos) from None
        special = _SPECIAL.get(_innermost(left))
        wrong = special(self.catalogue, op, node.value) if special is not None else None
        if wrong is not None:
            raise ConditionTypeError(wrong, node.pos)
        return value


def _event_type_error(catalogue: Catalogue, _op: str, text: bytes) -> str | None:
    name = text.decode("utf-8", "backslashreplace")
    return None if name in catalogue.event_types else f"unknown event type {name}"


def _around_error(_catalogue: Catalogue, op: str, _text: bytes) -> str | None:
    return None if op == "=" else "evt.around supports only '=' comparison operator"


_SPECIAL = {
    "evt.type": _event_type_error,
    "syscall.type": _event_type_error,
    "evt.around": _around_error,
}
"""Fields whose constants are checked further, whatever the operator."""


def _reduce(node: tree.And | tree.Or | tree.Not, done: list[typed.Condition | None]) -> None:
    """Replace the typed operands at the end of ``done`` by ``node`` typed."""
    if isinstance(node, tree.Not):
        item = done.pop()
        done.append(None if item is None else typed.Not(item, node.pos))
        return
    items = done[-len(node.items) :]
    del done[-len(node.items) :]
    good = tuple([item for item in items if item is not None])
    if len(good) < len(items):
        done.append(None)
    else:
        done.append(typed.And(good, node.pos) if isinstance(node, tree.And) else typed.Or(good, node.pos))


def _innermost(expression: typed.Argument) -> str:
    """Return the name of the first field inside, as upstream names what a transformer is applied on."""
    while isinstance(expression, typed.Transform):
        expression = expression.args[0]
    return expression.info.name if isinstance(expression, typed.Field) else "constant"


def _right_error(left: typed.Expression, op: str, right: typed.Expression) -> str | None:
    if op in ("pmatch", "regex"):
        return f"operator '{op}' doesn't support right-hand side fields"
    if left.type.name == "IPNET":
        return "field type 'IPNET' doesn't support right-hand side fields"
    if isinstance(left, typed.Field) and left.info.no_rhs:
        return f"field '{left.info.name}' doesn't support right-hand side fields"
    if isinstance(right, typed.Field) and right.info.no_rhs:
        return f"field '{right.info.name}' can't be used as a right-hand side field"
    if left.type != right.type:
        return (
            f"field '{_innermost(left)}' has type '{_shown(left.type)}' while the right-hand side field "
            f"'{_innermost(right)}' has incompatible type '{_shown(right.type)}'"
        )
    return None


def _shown(type_: Type) -> str:
    return f"{type_.name} (list)" if type_.is_list else type_.name
