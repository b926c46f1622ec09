"""PyYAML's parser in Python, for hosts without its C library: faster, and with tabs as libyaml reads them.

PyYAML's own scanner takes text one character at a time, and refuses tabs that libyaml and yaml-cpp allow
between tokens and inside plain scalars. The methods replaced here take runs of characters. Texts are given
whole, so the reader's buffer holds everything.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_ENDS = "\0 \t\r\n\x85\u2028\u2029"
_PLAIN = re.compile(f"(?:[^:{_ENDS}]|:(?![{_ENDS}]))+")
_PLAIN_IN_FLOW = re.compile(rf"(?:[^:,?\[\]{{}}{_ENDS}]|:(?![,\[\]{{}}{_ENDS}]))+")
_BREAK = re.compile("[\r\n\x85\u2028\u2029]")
_BLANKS_AND_COMMENT = re.compile("[ ]*(?:#[^\0\r\n\x85\u2028\u2029]*)?")
_BLANKS = re.compile("[ \t]*")
_DOCUMENT = re.compile(f"(?:---|\\.\\.\\.)(?=[{_ENDS}])")


class PureLoader(yaml.SafeLoader):
    """Gives the events that libyaml gives."""

    buffer: str
    pointer: int

    def forward(self, length: int = 1) -> None:
        """Step over characters, counting lines and columns."""
        chunk = self.buffer[self.pointer : self.pointer + length]
        if _BREAK.search(chunk) or "\ufeff" in chunk:
            super().forward(length)
            return
        self.pointer += length
        self.index += length
        self.column += length

    def need_more_tokens(self) -> bool:
        """Whether the next token cannot be given yet: it may turn out to be a key."""
        if self.tokens and not self.possible_simple_keys:
            return False
        return bool(super().need_more_tokens())

    def scan_line_break(self) -> str:
        """Step over one line end and return it, folded; an empty text if there is none."""
        return str(super().scan_line_break())  # type: ignore[no-untyped-call]

    def _run(self, pattern: re.Pattern[str]) -> str:
        """Return the text that matches here; an empty one if none does."""
        found = pattern.match(self.buffer, self.pointer)
        return found[0] if found else ""

    def scan_to_next_token(self) -> None:
        """Step over blanks, line ends and comments."""
        while True:
            self.forward(len(self._run(_BLANKS_AND_COMMENT)))
            if self.scan_line_break():
                if not self.flow_level:
                    self.allow_simple_key = True
            elif self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
                self.forward()
            else:
                return

    def scan_plain(self) -> Any:
        """Read a plain scalar, over several lines if it goes on."""
        run = _PLAIN_IN_FLOW if self.flow_level else _PLAIN
        start = end = self.get_mark()
        indent = self.indent + 1
        chunks: list[str] = []
        between: list[str] = []
        while self.peek() != "#":
            word = self._run(run)
            if not word:
                break
            self.allow_simple_key = False
            chunks += [*between, word]
            self.forward(len(word))
            end = self.get_mark()
            between = self._between_words(indent, start)
            if not between or (not self.flow_level and self.column < indent):
                break
        return yaml.ScalarToken("".join(chunks), True, start, end)  # noqa: FBT003 - PyYAML's signature

    def scan_block_scalar_indentation(self) -> Any:
        """Find how far a block scalar is indented, by its first line."""
        found = super().scan_block_scalar_indentation()
        self._refuse_tab(self.column + 1)
        return found

    def scan_block_scalar_breaks(self, indent: int) -> Any:
        """Step over a block scalar's empty lines, and the indentation of the next one."""
        found = super().scan_block_scalar_breaks(indent)
        self._refuse_tab(indent)
        return found

    def _refuse_tab(self, indent: int) -> None:
        if self.column < indent and self.peek() == "\t":
            problem = "found a tab character where an indentation space is expected"
            mark = self.get_mark()
            raise yaml.scanner.ScannerError("while scanning a block scalar", mark, problem, mark)

    def _between_words(self, indent: int, start: Any) -> list[str]:
        """Read what stands between two words: blanks, or line ends, folded. Empty where the scalar ends."""
        blanks = self._run(_BLANKS)
        self.forward(len(blanks))
        if not _BREAK.match(self.buffer, self.pointer):
            return [blanks] if blanks else []
        first = self.scan_line_break()
        self.allow_simple_key = True
        breaks: list[str] = []
        while self.column or not _DOCUMENT.match(self.buffer, self.pointer):
            if self.peek() == "\t" and self.column < indent:
                raise yaml.scanner.ScannerError(
                    "while scanning a plain scalar",
                    start,
                    "found a tab that violates indentation",
                    self.get_mark(),
                )
            if self.peek() in " \t":
                self.forward()
            elif _BREAK.match(self.buffer, self.pointer):
                breaks.append(self.scan_line_break())
            else:
                return [first, *breaks] if first != "\n" else breaks or [" "]
        return []
