"""Host ranges, as in ``web[01:20].example.com``. Pure."""

from __future__ import annotations

import re
import string
from itertools import product

MAX_HOSTS = 100_000
"""Most hosts that one name may stand for."""

_RANGE = re.compile(r"\[([^\[\]:]*):([^\[\]:]*)(?::([^\[\]:]*))?\]")


def expand(name: str) -> list[str]:
    """Return the host names that ``name`` stands for, in order. Raises ValueError for a bad range.

    ``[01:20]`` counts with leading zeros, ``[a:f]`` through letters; a third number is the step.
    """
    parts, end = [], 0
    for match in _RANGE.finditer(name):
        parts += [[name[end : match.start()]], _items(*match.groups())]
        end = match.end()
    parts.append([name[end:]])
    if any("[" in text or "]" in text for part in parts[::2] for text in part):
        raise ValueError(f"{name!r} has a bracket that is no range such as [01:20]")
    size = 1
    for part in parts:
        size *= len(part)
    if size > MAX_HOSTS:
        raise ValueError(f"{name!r} stands for {size} hosts, more than {MAX_HOSTS}")
    return ["".join(combination) for combination in product(*parts)]


def _items(first: str, last: str, step: str | None) -> list[str]:
    if step is not None and not (step.isascii() and step.isdecimal() and int(step) > 0):
        raise ValueError(f"the step {step!r} of a range is no positive number")
    by = int(step or 1)
    if len(last) == 1 and last in string.ascii_letters and len(first) == 1 and first in string.ascii_letters:
        letters = string.ascii_letters
        items = list(letters[letters.index(first) : letters.index(last) + 1 : by])
    else:
        items = _numbers(first or "0", last, by)
    if not items:
        raise ValueError(f"the range [{first}:{last}] is empty")
    return items


def _numbers(first: str, last: str, by: int) -> list[str]:
    for text in (first, last):
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise ValueError(f"{text!r} is no end of a range such as [01:20] or [a:f]")
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and len(last) != width:
        raise ValueError(f"the ends of the range [{first}:{last}] have leading zeros and different lengths")
    numbers = range(int(first), int(last) + 1, by)
    if len(numbers) > MAX_HOSTS:
        raise ValueError(f"the range [{first}:{last}] stands for {len(numbers)} hosts, more than {MAX_HOSTS}")
    return [str(number).zfill(width) for number in numbers]
