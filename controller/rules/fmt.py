"""Format a rules file: stable, and never changing what the file means.

Conditions are laid out (:mod:`controller.rules.layout`), one empty line stands between items, trailing blanks
and carriage returns go. Comments, order, names, values and all other text stay. The result is read again and
compared with what was read before; if anything differs, the file is left alone.
"""

from __future__ import annotations

import re

from agent.language.nodes import AnyNode, Mapping, Null, Scalar, Sequence
from agent.language.scalars import SourceText
from agent.language.yaml_reader import decode, read_yaml
from controller.rules.layout import INDENT, WIDTH, lines, one_line

_PLAIN_START = re.compile(r"[A-Za-z(/_]")


class FormatError(ValueError):
    """The file cannot be formatted without changing what it means. It is a defect of the formatter."""


def format_rules(content: bytes) -> bytes:
    """Return the file formatted. Raises YamlError if it is no YAML, FormatError if it cannot be formatted."""
    text = decode(content)
    before = read_yaml(text)
    formatted = _space_items(_lay_out_conditions(_normal_breaks(text)))
    if not _same(before, read_yaml(formatted)):
        raise FormatError("formatting would change what the file means")
    return formatted.encode("utf-8", "surrogatepass")


def _normal_breaks(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _lay_out_conditions(text: str) -> str:
    """Replace the text of every condition, the last one first so that offsets stay right."""
    source = SourceText("", text)
    edits = [edit for mapping in _items(read_yaml(text)) if (edit := _edit(mapping, source)) is not None]
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _items(documents: list[AnyNode]) -> list[Mapping]:
    return [
        item
        for document in documents
        if isinstance(document, Sequence)
        for item in document.items
        if isinstance(item, Mapping) and ("rule" in item.pairs() or "macro" in item.pairs())
    ]


def _edit(item: Mapping, source: SourceText) -> tuple[int, int, str] | None:
    """Say what to put in place of a condition: from where, to where, and what. ``None`` to leave it alone."""
    value, key = item.get("condition"), item.key("condition")
    if not isinstance(value, Scalar) or not isinstance(key, Scalar) or key.line == item.line:
        return None
    text = source.text
    start, end = key.end, value.end
    if text[start : value.begin].strip() != ":" or text[value.begin : value.begin + 1] in {"&", "!"}:
        return None
    after = text[end : text.find("\n", end) if "\n" in text[end:] else len(text)]
    header = text[value.begin : text.find("\n", value.begin)] if value.style in {"|", ">"} else ""
    if (value.style not in {"|", ">"} and after.strip()) or "#" in header:
        return None  # a comment stands beside it
    laid = _value(value.value, key.column)
    if laid is None:
        return None
    if value.style in {"|", ">"}:
        end = _block_end(text, value)
        laid += "\n"
    return start, end, ":" + laid


def _block_end(text: str, value: Scalar) -> int:
    """Return where the lines of a block scalar end, empty lines after it not counted."""
    end = value.end
    while end > value.begin and text[end - 1] in "\n \t":
        end -= 1
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1


def _value(condition: str, column: int) -> str | None:
    short = one_line(condition)
    if short is None or not short:
        return None
    if len(short) + column + len("condition: ") <= WIDTH and _is_plain(short):
        return f" {short}"
    broken = lines(condition) or [short]
    indent = " " * column + INDENT
    return " >\n" + "\n".join(indent + line for line in broken)


def _is_plain(text: str) -> bool:
    """Whether YAML reads the text back as it is, without quotes."""
    return bool(_PLAIN_START.match(text)) and ": " not in text and " #" not in text and not text.endswith(":")


def _space_items(text: str) -> str:
    """One empty line between items, none at the ends, no blanks at the ends of lines."""
    source = SourceText("", text)
    kept = _kept_lines(read_yaml(text), source)
    heads = _heads(read_yaml(text))
    found: list[str] = []
    fixed = 0
    for number, line in enumerate(text.split("\n")):
        if number in kept:
            found.append(line)
            fixed = len(found)
            continue
        stripped = line.rstrip(" \t")
        if not stripped and (not found or not found[-1]):
            continue
        if number in heads and len(found) > fixed and found[-1]:
            _separate(found, fixed)
        elif number in heads and found and found[-1]:
            found.append("")
        found.append(stripped)
    while len(found) > fixed and not found[-1]:
        found.pop()
    open_end = text.count("\n") in kept  # a line end would become part of the last value
    return "\n".join(found) + ("" if open_end or not found else "\n")


def _separate(found: list[str], fixed: int) -> None:
    """Put an empty line before the comment that leads up to an item, or before the item itself."""
    at = len(found)
    while at > fixed and found[at - 1].startswith("#"):
        at -= 1
    if at > 0 and found[at - 1] and not found[at - 1].startswith(("---", "%")):
        found.insert(at, "")


def _heads(documents: list[AnyNode]) -> set[int]:
    """Return the lines on which top-level items begin."""
    sequences = [
        document for document in documents if isinstance(document, Sequence) and document.column == 0
    ]
    return {item.line for sequence in sequences for item in sequence.items if not isinstance(item, Null)}


def _kept_lines(documents: list[AnyNode], source: SourceText) -> set[int]:
    """Return the lines inside scalars of several lines: blanks at their ends may mean something."""
    kept: set[int] = set()
    waiting: list[AnyNode] = list(documents)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Scalar):
            end = source.place(_last(source.text, node)).line
            kept.update(range(node.line + 1, end + 1) if node.style in {"|", ">"} else range(node.line, end))
        elif isinstance(node, Sequence):
            waiting.extend(node.items)
        elif isinstance(node, Mapping):
            waiting.extend(part for pair in node.items for part in pair)
    return kept


def _last(text: str, node: Scalar) -> int:
    """Return the offset of a scalar's last character; empty lines after a block do not belong to it."""
    end = max(node.begin, node.end - 1)
    if node.style in {"|", ">"} and "+" not in text[node.begin : text.find("\n", node.begin)]:
        while end > node.begin and text[end] in "\n \t":
            end -= 1
    return end


def _same(before: list[AnyNode], after: list[AnyNode]) -> bool:
    """Whether two readings say the same, conditions compared without their blanks."""
    waiting: list[tuple[AnyNode, AnyNode, bool]] = []
    if len(before) != len(after):
        return False
    waiting.extend((one, other, False) for one, other in zip(before, after, strict=True))
    while waiting:
        one, other, condition = waiting.pop()
        if one.kind != other.kind or not _same_here(one, other, condition=condition):
            return False
        if isinstance(one, Sequence) and isinstance(other, Sequence):
            waiting.extend((a, b, False) for a, b in zip(one.items, other.items, strict=True))
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            for (key, value), (other_key, other_value) in zip(one.items, other.items, strict=True):
                waiting.append((key, other_key, False))
                waiting.append((value, other_value, isinstance(key, Scalar) and key.value == "condition"))
    return True


def _same_here(one: AnyNode, other: AnyNode, *, condition: bool) -> bool:
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        if condition:
            return one_line(one.value) == one_line(other.value) if one.value != other.value else True
        return one.value == other.value
    if isinstance(one, (Sequence, Mapping)) and isinstance(other, (Sequence, Mapping)):
        return len(one.items) == len(other.items)
    return True
