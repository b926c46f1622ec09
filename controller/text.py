"""Text that hosts and attackers wrote, made safe to print."""

from __future__ import annotations

import unicodedata

_KEEP = {"\t"}


def printable(text: str, *, newlines: bool = False) -> str:
    """Return ``text`` with control and bidirectional characters as backslash escapes.

    A terminal then shows them and does not obey them. Line ends are kept if ``newlines``.
    """
    keep = _KEEP | {"\n"} if newlines else _KEEP
    return "".join(c if c in keep or not _hostile(c) else _escape(c) for c in text)


def _hostile(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
