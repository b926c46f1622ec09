"""Waves: how a release goes to some hosts first. Pure. Sizes as in Ansible's ``serial``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from controller.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_SIZE = re.compile(r"(\d{1,7})(%?)")


def split(items: Sequence[T], serial: str) -> list[list[T]]:
    """Cut ``items`` into waves. ``serial`` is such as ``1,10%,50%``: the last size goes for all that follow.

    A percentage is of all items, and at least one. Raises InputError for what is no size.
    """
    sizes = [amount(text.strip(), len(items), "--serial") for text in serial.split(",")]
    waves: list[list[T]] = []
    begin = 0
    while begin < len(items):
        size = max(1, sizes[min(len(waves), len(sizes) - 1)])
        waves.append(list(items[begin : begin + size]))
        begin += size
    return waves


def amount(text: str, total: int, option: str) -> int:
    """Return the number that ``5`` or ``10%`` of ``total`` is, rounded down. Raises InputError."""
    match = _SIZE.fullmatch(text)
    if match is None or (match[2] and int(match[1]) > 100):
        raise InputError(f"{text!r} is no number and no percentage such as 10%", option)
    return total * int(match[1]) // 100 if match[2] else int(match[1])
