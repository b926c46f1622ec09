"""``pmatch``: path prefixes by component, as Falco's prefix tree does."""

from __future__ import annotations

from collections.abc import Iterable

from agent.language.patterns.glob import Matcher, compile_glob


class _Node:
    """One component deep in the tree of patterns."""

    __slots__ = ("end", "globs", "names")

    def __init__(self) -> None:
        self.end = False
        self.names: dict[bytes, _Node] = {}
        self.globs: dict[bytes, tuple[Matcher, _Node]] = {}

    def child(self, component: bytes) -> _Node:
        """Return the node below for one component of a pattern, making it if need be."""
        if not any(byte in component for byte in b"*?["):
            return self.names.setdefault(component, _Node())
        if component not in self.globs:
            self.globs[component] = (compile_glob(component), _Node())
        return self.globs[component][1]

    def matching(self, component: bytes) -> list[_Node]:
        """Return the nodes below that a component of a path leads to."""
        found = [node for matches, node in self.globs.values() if matches(component)]
        exact = self.names.get(component)
        return [exact, *found] if exact is not None else found


def compile_prefixes(patterns: Iterable[bytes]) -> Matcher:
    """Return the test that a path lies at or below one of ``patterns``.

    Both sides are cut at ``/`` and empty components dropped. A component of a pattern may be a glob. A
    pattern without components, such as ``/``, takes everything.
    """
    root = _Node()
    for pattern in patterns:
        node = root
        for component in filter(None, pattern.split(b"/")):
            node = node.child(component)
        node.end = True
    if root.end:
        return lambda _path: True
    return lambda path: _matches(root, path)


def _matches(root: _Node, path: bytes) -> bool:
    nodes = [root]
    for component in path.split(b"/"):
        if not component:
            continue
        nodes = [below for node in nodes for below in node.matching(component)]
        if not nodes:
            return False
        if any(node.end for node in nodes):
            return True
    return False
