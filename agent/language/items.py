"""What a rules file's items say, before they are merged: rules, macros, lists, exceptions, requirements."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.language.nodes import Node, Scalar
from agent.language.operators import MODIFIERS, OPERATORS, TEXT_OPERATORS
from agent.language.sink import Context


@dataclass
class Piece:
    """Part of a text that was glued together, and the scalar it came from."""

    text: str
    origin: Scalar | None
    context: Context
    """Of the file that the piece stands in."""


@dataclass
class Entry:
    """A scalar or a list of entries in an exception: fields, comps, a tuple of values."""

    is_list: bool = False
    text: str = ""
    items: list[Entry] = field(default_factory=list)
    origin: Scalar | None = None

    @property
    def given(self) -> bool:
        """Whether it says anything."""
        return bool(self.items) if self.is_list else bool(self.text)

    def copy(self) -> Entry:
        """Return a copy whose lists can be changed."""
        return Entry(self.is_list, self.text, [item.copy() for item in self.items], self.origin)


@dataclass
class ExceptionItem:
    """One entry of ``exceptions``."""

    name: str
    context: Context
    fields: Entry = field(default_factory=Entry)
    comps: Entry = field(default_factory=Entry)
    values: list[Entry] = field(default_factory=list)


@dataclass
class Item:
    """What lists, macros and rules have in common."""

    name: str
    context: Context
    index: int = 0
    """Place in definition order."""
    visibility: int = 0
    """When it was last changed; sees what was defined before."""


@dataclass
class ListItem(Item):
    """A list."""

    items: list[Scalar] = field(default_factory=list)


@dataclass
class MacroItem(Item):
    """A macro; its condition is its pieces joined by one blank."""

    condition: list[Piece] = field(default_factory=list)
    condition_context: Context | None = None


@dataclass
class RuleItem(Item):
    """A rule with all of its keys."""

    condition: list[Piece] = field(default_factory=list)
    condition_context: Context | None = None
    output: list[Piece] = field(default_factory=list)
    output_context: Context | None = None
    desc: str = ""
    priority: str = ""
    source: str = "syscall"
    unknown_source: bool = False
    enabled: bool = True
    tags: set[str] = field(default_factory=set)
    exceptions: list[ExceptionItem] = field(default_factory=list)
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    capture: bool = False
    capture_duration_ms: int = 0


@dataclass
class RuleChange:
    """What an append or an override says about a rule; ``None`` where it says nothing."""

    name: str
    context: Context
    condition: Piece | None = None
    output: Piece | None = None
    desc: str | None = None
    priority: str | None = None
    tags: set[str] | None = None
    exceptions: list[ExceptionItem] | None = None
    enabled: bool | None = None
    warn_evttypes: bool | None = None
    skip_if_unknown_filter: bool | None = None
    capture: bool | None = None
    capture_duration_ms: int | None = None

    @property
    def says_something(self) -> bool:
        """Whether an append has anything to append."""
        appended = (self.condition, self.output, self.desc, self.tags, self.exceptions)
        return any(part is not None for part in appended)


@dataclass
class PluginAlternative:
    """One plugin that would do."""

    name: str
    version: str
    node: Node


def joined(pieces: list[Piece]) -> str:
    """Glue pieces as Falco does: with one blank."""
    return " ".join(piece.text for piece in pieces)


def split_operator(text: str) -> tuple[str, str] | None:
    """Read ``startswith anyof`` as operator and modifier (``""`` if none); ``None`` if it is neither."""
    words = text.split()
    if len(words) == 1 and words[0] in OPERATORS:
        return words[0], ""
    if len(words) == 2 and words[0] in TEXT_OPERATORS and words[1] in MODIFIERS:
        return words[0], words[1]
    return None
