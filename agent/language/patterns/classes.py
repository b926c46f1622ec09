"""The named character classes of POSIX (and RE2's ``ascii`` and ``word``) in the C locale: ASCII only."""

from __future__ import annotations

import string

ASCII_CLASSES: dict[str, frozenset[int]] = {
    "alnum": frozenset((string.ascii_letters + string.digits).encode()),
    "alpha": frozenset(string.ascii_letters.encode()),
    "ascii": frozenset(range(128)),
    "blank": frozenset(b" \t"),
    "cntrl": frozenset((*range(32), 127)),
    "digit": frozenset(string.digits.encode()),
    "graph": frozenset(range(33, 127)),
    "lower": frozenset(string.ascii_lowercase.encode()),
    "print": frozenset(range(32, 127)),
    "punct": frozenset(string.punctuation.encode()),
    "space": frozenset(b" \t\n\v\f\r"),
    "upper": frozenset(string.ascii_uppercase.encode()),
    "word": frozenset((string.ascii_letters + string.digits + "_").encode()),
    "xdigit": frozenset(string.hexdigits.encode()),
}
"""Class name to its bytes."""
