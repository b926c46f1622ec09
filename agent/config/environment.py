"""``${NAME}`` in values: replaced by the environment variable, by nothing if it is not set.

The replacement is searched in its turn. ``$${NAME}`` stands for the text ``${NAME}``; ``$NAME`` is just text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.config.document import Node
from agent.config.problem import ERROR, ConfigError, Problem

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)\}")
_LARGEST = 1024 * 1024


def expand(text: str, environment: Mapping[str, str], seen: frozenset[str] = frozenset()) -> str:
    """Return ``text`` with its references replaced. Raises ValueError if a variable leads back to itself."""

    def value(reference: re.Match[str]) -> str:
        escaped, name = reference.groups()
        if escaped:
            return "${" + name + "}"
        if name in seen:
            raise ValueError(f"the environment variable {name} refers to itself")
        return expand(environment.get(name, ""), environment, seen | {name})

    result = _REFERENCE.sub(value, text)
    if len(result) > _LARGEST:
        raise ValueError("environment variables make this value too large")
    return result


def expand_all(root: Node, environment: Mapping[str, str]) -> None:
    """Replace the references in every scalar below ``root``. Raises ConfigError."""
    waiting, done = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in done:
            continue
        done.add(id(node))
        if isinstance(node.content, str):
            try:
                node.content = expand(node.content, environment)
            except ValueError as error:
                raise ConfigError([Problem(ERROR, node.place, str(error))]) from None
        elif isinstance(node.content, list):
            waiting += node.content
        elif isinstance(node.content, dict):
            waiting += node.content.values()
