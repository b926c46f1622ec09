"""Print a condition.

``canonical`` is upstream's text (``ast::as_string``): what ``-L`` shows and what conformance
compares. It quotes too little to be read back in every case. ``source`` always parses back
to an equal tree.

Trees may be as deep as macros in macros make them, so the walk keeps its own stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Union

from agent.language import tree
from agent.language.escape import escape, quote, quote_always


@dataclass(frozen=True)
class _Style:
    """How the two forms differ."""

    value: Callable[[bytes], bytes]
    """A value on the right or in a list."""
    constant: Callable[[bytes], bytes]
    """A constant argument of a transformer."""
    index: Callable[[bytes], bytes]
    """What stands between the brackets of a field or a transformer."""
    operand: Callable[[tree.Condition, type], bool]
    """Whether an operand of a node of the given type goes in brackets."""


def canonical(condition: tree.Condition) -> bytes:
    """Return ``condition`` as upstream prints it: every ``and`` and ``or`` in brackets."""
    return _print(condition, _CANONICAL)


def source(condition: tree.Condition) -> bytes:
    """Return ``condition`` as text that parses back to an equal tree, with no bracket too many."""
    return _print(condition, _SOURCE)


def _compound(node: tree.Condition, _parent: type) -> bool:
    return isinstance(node, (tree.And, tree.Or))


def _needs_brackets(node: tree.Condition, parent: type) -> bool:
    if parent is tree.Not:
        # Two nots in a row would cancel out while parsing; brackets keep them apart.
        return isinstance(node, (tree.And, tree.Or, tree.Not))
    if parent is tree.And:
        return isinstance(node, (tree.And, tree.Or))
    return parent is tree.Or and isinstance(node, tree.Or)


def _index_text(value: bytes) -> bytes:
    return escape(value) if value else b'""'


_BARE_INDEX = re.compile(rb"""[^]["'\s]+""")


def _index_source(value: bytes) -> bytes:
    return value if _BARE_INDEX.fullmatch(value) else quote_always(value)


_CANONICAL = _Style(escape, escape, _index_text, _compound)
_SOURCE = _Style(quote, quote_always, _index_source, _needs_brackets)

_Work = Union[bytes, "tuple[tree.Condition, type]"]


def _print(condition: tree.Condition, style: _Style) -> bytes:
    out: list[bytes] = []
    work: list[_Work] = [(condition, type(None))]
    while work:
        item = work.pop()
        if isinstance(item, bytes):
            out.append(item)
            continue
        node, parent = item
        if style.operand(node, parent):
            out.append(b"(")
            work.append(b")")
        work.extend(reversed(_parts(node, style)))
    return b"".join(out)


def _parts(node: tree.Condition, style: _Style) -> list[_Work]:
    if isinstance(node, (tree.And, tree.Or)):
        word = b" and " if isinstance(node, tree.And) else b" or "
        parts: list[_Work] = []
        for index, item in enumerate(node.items):
            if index:
                parts.append(word)
            parts.append((item, type(node)))
        return parts
    if isinstance(node, tree.Not):
        return [b"not ", (node.item, tree.Not)]
    if isinstance(node, tree.Macro):
        return [node.name.encode()]
    return [_check(node, style)]


def _check(check: tree.Check, style: _Style) -> bytes:
    words = [_expression(check.left, style), check.op.encode()]
    if check.modifier is not None:
        words.append(check.modifier.encode())
    if check.right is not None:
        words.append(_right(check.right, style))
    return b" ".join(words)


def _right(right: tree.Right, style: _Style) -> bytes:
    if isinstance(right, tree.Literal):
        return style.value(right.value)
    if isinstance(right, tree.LiteralList):
        return b"(" + b", ".join([style.value(item.value) for item in right.items]) + b")"
    if isinstance(right, tree.ListRef):
        return right.name.encode()
    return _expression(right, style)


def _expression(node: tree.Argument | tree.ValueOf, style: _Style) -> bytes:
    if isinstance(node, tree.Field):
        return node.name.encode() + _index(node.arg, style)
    if isinstance(node, tree.Literal):
        return style.constant(node.value) if node.quoted or style is _CANONICAL else node.value
    if isinstance(node, tree.ArgumentList):
        return b"(" + b",".join([_expression(item, style) for item in node.items]) + b")"
    if isinstance(node, tree.ValueOf):
        return b"val(" + _expression(node.of, style) + b")" + _index(node.index, style)
    arguments = b",".join([_expression(item, style) for item in node.args])
    return node.name.encode() + b"(" + arguments + b")" + _index(node.index, style)


def _index(arg: bytes | None, style: _Style) -> bytes:
    return b"" if arg is None else b"[" + style.index(arg) + b"]"
