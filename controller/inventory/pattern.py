"""Limits: which hosts a command is for, in Ansible's patterns. Pure.

``web:db`` or ``web,db`` is either, ``web:&prod`` both, ``web:!db1`` all but that; ``*`` and ``?``
match in names, ``~`` begins a regular expression, ``web[0]`` and ``web[0:2]`` (last included)
take hosts of a group by number. Exclusions and intersections apply after every union.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from controller.errors import InventoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from controller.inventory.model import Host, Inventory

_SUBSCRIPT = re.compile(r"(?P<name>[^~].*?)\[(?P<first>-?\d+)?(?P<colon>:)?(?P<last>-?\d+)?\]")
_SEPARATOR = re.compile(r"[,:](?![^\[\]]*\])")


def select(inventory: Inventory, limit: str | None) -> list[Host]:
    """Return the hosts that ``limit`` names, in inventory order; every host for None.

    Raises InventoryError if a part of it names nothing that there is, or no host is left.
    """
    terms = [term.strip() for term in _SEPARATOR.split(limit or "all") if term.strip()]
    chosen: set[str] = set()
    if not any(term[0] not in "&!" for term in terms):
        chosen = set(inventory.hosts)
    for term in terms:
        if term[0] not in "&!":
            chosen |= _hosts(inventory, term)
    for term in terms:
        if term[0] == "&":
            chosen &= _hosts(inventory, term[1:])
    for term in terms:
        if term[0] == "!":
            chosen -= _hosts(inventory, term[1:])
    if not chosen:
        raise InventoryError(f"no host of {inventory.path} is in {limit or 'it'!r}")
    return [host for name, host in inventory.hosts.items() if name in chosen]


def _hosts(inventory: Inventory, term: str) -> set[str]:
    match = None if term in inventory.hosts else _SUBSCRIPT.fullmatch(term)
    if match is None:
        return set(_named(inventory, term))
    names = _named(inventory, match["name"])
    first = int(match["first"] or 0)
    if not match["colon"]:
        return set(names[first:][:1])
    last = int(match["last"]) if match["last"] else -1
    end = len(names) + last if last < 0 else last
    return set(names[first : end + 1])


def _named(inventory: Inventory, term: str) -> list[str]:
    if term in inventory.groups:
        return list(inventory.groups[term])
    if term in inventory.hosts:
        return [term]
    test = _test(term)
    names = [name for name in inventory.hosts if test(name)]
    for group, members in inventory.groups.items():
        if test(group):
            names += [name for name in members if name not in names]
    if not names and not _is_wild(term):
        raise InventoryError(_unknown(term, [*inventory.groups, *inventory.hosts], inventory))
    return names


def _is_wild(term: str) -> bool:
    return term.startswith("~") or any(c in term for c in "*?[")


def _test(term: str) -> Callable[[str], bool]:
    if not term.startswith("~"):
        return lambda name: fnmatchcase(name, term)
    try:
        expression = re.compile(term[1:])
    except re.error as error:
        raise InventoryError(f"{term!r} is no regular expression: {error}") from None
    return lambda name: expression.match(name) is not None


def _unknown(term: str, names: Iterable[str], inventory: Inventory) -> str:
    near = get_close_matches(term, list(names), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; `tercel host list` shows what there is"
    return f"{inventory.path} has no host or group {term!r}{hint}"
