"""Build the condition tree while the grammar's rules are recognised: one method per rule.

Every method returns a Part: the node, and how deep upstream's recursive descent goes for it.
An operand's depth counts from ``parse_or``; operands chained by ``and`` and ``or`` and any
number of ``not`` do not add to it, brackets do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lark import Token

from agent.language import tree
from agent.language.errors import ConditionSyntaxError


class Part(NamedTuple):
    """A node and its depth."""

    node: Any
    depth: int


Children = list[Any]

MAX_TRANSFORMERS = 100
"""Transformers inside one another; upstream takes nearly 500, and nobody writes more than a few."""
_OPERAND = 4
"""parse_or, parse_and, parse_not, parse_check."""


def _bytes(token: Token) -> bytes:
    return token.encode("latin-1")


def _position(part: Part) -> int:
    pos: int = part.node.pos
    return pos


class _Builder:
    """Callbacks for the parser, by the names that ``condition.lark`` gives the rules."""

    def or_(self, parts: Children) -> Part:
        return Part(tree.Or(tuple([p.node for p in parts]), _position(parts[0])), max(p.depth for p in parts))

    def and_(self, parts: Children) -> Part:
        return Part(
            tree.And(tuple([p.node for p in parts]), _position(parts[0])), max(p.depth for p in parts)
        )

    def not_(self, children: Children) -> Part:
        *nots, part = children
        if len(nots) % 2 == 0:
            return Part(*part)
        return Part(tree.Not(part.node, nots[0].start_pos), part.depth)

    def not_embedded(self, children: Children) -> Part:
        *nots, part = children
        return self.not_([*nots, Part(part.node, part.depth + 4)])

    def embedded(self, children: Children) -> Part:
        return Part(children[1].node, children[1].depth + 5)

    def and_embedded(self, children: Children) -> Part:
        return Part(children[0].node, children[0].depth + 3)

    def or_embedded(self, children: Children) -> Part:
        return Part(children[0].node, children[0].depth + 2)

    def macro(self, children: Children) -> Part:
        return Part(tree.Macro(str(children[0]), children[0].start_pos), _OPERAND)

    def check(self, children: Children) -> Part:
        left, op, *rest = children
        right, right_depth = rest[0] if rest else (None, 0)
        depth = _OPERAND + max(left.depth, 1 + right_depth)
        return Part(tree.Check(left.node, str(op), right, None, left.node.pos), depth)

    def modified(self, children: Children) -> Part:
        left, op, modifier, right = children
        depth = _OPERAND + max(left.depth, 1 + right.depth)
        return Part(tree.Check(left.node, str(op), right.node, str(modifier), left.node.pos), depth)

    def field(self, children: Children) -> Part:
        token = children[0]
        name, arg = token.value
        return Part(tree.Field(name, arg, token.start_pos), 1)

    def literal(self, children: Children) -> Part:
        token = children[0]
        if token.type == "QUOTED":
            return Part(tree.Literal(token.value, token.start_pos, quoted=True), 0)
        return Part(tree.Literal(_bytes(token), token.start_pos), 0)

    def right_literal(self, children: Children) -> Part:
        return Part(self.literal(children).node, 2)

    def literal_list(self, children: Children) -> Part:
        return Part(children[0].value, 2)

    def list_name(self, children: Children) -> Part:
        return Part(tree.ListRef(str(children[0]), children[0].start_pos), 2)

    def value_of(self, children: Children) -> Part:
        val, of, *end = children
        index = end[0].value[1] if end else None
        return Part(tree.ValueOf(of.node, index, val.start_pos), 3)

    def transform(self, children: Children) -> Part:
        name, *arguments = children
        index = None
        if isinstance(arguments[-1], Token):
            index = arguments.pop().value[1]
        depth = 2 + max(part.depth for part in arguments)
        if depth > 2 * MAX_TRANSFORMERS:
            message = f"more than {MAX_TRANSFORMERS} transformers inside one another"
            raise ConditionSyntaxError(message, name.start_pos)
        nodes = tuple([part.node for part in arguments])
        return Part(tree.Transform(str(name)[:-1], nodes, index, name.start_pos), depth)

    def right_transform(self, children: Children) -> Part:
        return Part(children[0].node, children[0].depth + 2)

    def argument_list(self, children: Children) -> Part:
        bracket, *items = children
        depth = max((part.depth for part in items), default=0)
        return Part(tree.ArgumentList(tuple([part.node for part in items]), bracket.start_pos), depth)


def callbacks() -> object:
    """Return the object whose methods Lark calls."""
    return _Builder()
