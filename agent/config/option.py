r"""``-o KEY=VALUE``: a key path and what to put there.

A key path is names joined by dots, ``[n]`` for an item of a sequence, ``[]`` at the end to append one;
``\`` takes the next character as it is. A value that begins with ``{`` or ``[`` is YAML (so JSON too), any
other is text.
"""

from __future__ import annotations

import re

from agent.config.document import Node, parse
from agent.config.problem import ERROR, ConfigError, Place, Problem

_APPEND = -1
_INDEX = re.compile(r"\[(\d*)\]")


def key_path(text: str) -> list[str | int]:
    """Return the steps of a key path: names, indices, -1 for "append". Raises ValueError."""
    steps: list[str | int] = []
    name, at = "", 0
    while at < len(text):
        index = _INDEX.match(text, at)
        if index:
            steps += [name] * bool(name) + [int(index.group(1)) if index.group(1) else _APPEND]
            name, at = "", index.end()
            at += at < len(text) and text[at] == "."
        elif text[at] == ".":
            steps.append(name)
            name, at = "", at + 1
        else:
            at += text[at] == "\\" and at + 1 < len(text)
            name += text[at]
            at += 1
    steps += [name] * bool(name)
    if not steps or "" in steps or _APPEND in steps[:-1]:
        raise ValueError(f"{text!r} is no key path such as file_output.filename or rules_files[0]")
    return steps


def apply(root: Node, option: str) -> None:
    """Change the document as ``option`` says. Raises ConfigError."""
    key, equals, value = option.partition("=")
    place = Place(f"-o {option}")
    if not equals:
        raise ConfigError([Problem(ERROR, place, "lacks a value: write -o KEY=VALUE")])
    try:
        steps = key_path(key.strip())
        _put(root, steps, _value(value.strip(), place))
    except ValueError as error:
        raise ConfigError([Problem(ERROR, place, str(error))]) from None


def _value(text: str, place: Place) -> Node:
    if not text.startswith(("{", "[")):
        return Node(text, place)
    holder = parse(f"value: {text}".encode(), place.file, [])
    node = holder.content["value"] if isinstance(holder.content, dict) else holder
    node.place = place
    return node


def _put(root: Node, steps: list[str | int], value: Node) -> None:
    node = root
    for step, following in zip(steps, [*steps[1:], None]):
        if following is None:
            _entry(node, step, value)
        else:
            node = _entry(node, step, None)


def _entry(node: Node, step: str | int, value: Node | None) -> Node:
    """Return the entry ``step`` of ``node``, set to ``value`` if there is one, made if need be."""
    if isinstance(step, str):
        entries = node.content if isinstance(node.content, dict) else {}
        node.content = entries
        entry = entries.get(step) if value is None else value
        entries[step] = entry or Node(None, node.place)
        return entries[step]
    items = node.content if isinstance(node.content, list) else []
    node.content = items
    if step in (_APPEND, len(items)):
        items.append(value or Node(None, node.place))
    elif step > len(items):
        raise ValueError(f"there is no item {step}: the sequence has {len(items)}")
    elif value is not None:
        items[step] = value
    return items[step]
