"""Where loading reports what it finds, and how it names the place: Falco's chain of locations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from agent.language.diagnostic import ERROR, WARNING, Diagnostic
from agent.language.nodes import Node, Scalar
from agent.language.scalars import SourceText
from agent.language.source import Location, Place, Span

SNIPPET_WIDTH = 160
"""Characters of a line that a snippet shows at most, as Falco's."""


@dataclass(frozen=True)
class Spot:
    """A piece of some file."""

    source: SourceText
    span: Span


NAME_LENGTH = 20
"""Characters of a condition that Falco shows in place of a file name."""

At = Union[Spot, Node]


class Context:
    """One step of the chain: an item, and what it is part of."""

    __slots__ = ("kind", "name", "parent", "place", "source")

    def __init__(
        self, source: SourceText, kind: str, name: str, place: Place, parent: Context | None
    ) -> None:
        self.source = source
        self.kind = kind
        self.name = name
        self.place = place
        self.parent = parent

    @classmethod
    def root(cls, source: SourceText) -> Context:
        """Return the context of a whole file."""
        return cls(source, "rules content", "", Place(0, 0), None)

    def child(self, kind: str, name: str, node: Node) -> Context:
        """Return the context of ``node`` inside this one."""
        return Context(self.source, kind, name, Place(node.line, node.column), self)

    def chain(self) -> tuple[Location, ...]:
        """Every step from the whole file down to here."""
        steps: list[Location] = []
        at: Context | None = self
        while at is not None:
            steps.append(at.location())
            at = at.parent
        return tuple(reversed(steps))

    def location(self) -> Location:
        """Only the last step."""
        return Location(self.kind, self.name, self.source.name, self.place, self.source.offset(self.place))


class ExpressionContext(Context):
    """A place inside a condition: Falco adds the position in the expression to that of its parent."""

    __slots__ = ("expression", "offset")

    def __init__(self, parent: Context, expression: str, offset: int, line: int, column: int) -> None:
        place = Place(parent.place.line + line, parent.place.column + column)
        super().__init__(parent.source, "condition expression", "", place, parent)
        self.expression = expression
        self.offset = offset

    def location(self) -> Location:
        """Only the last step; as in Falco the condition's beginning stands for the file."""
        shown = (
            self.expression
            if len(self.expression) <= NAME_LENGTH
            else self.expression[: NAME_LENGTH - 3] + "..."
        )
        name = f'"{shown}"'.replace("\n", " ").replace("\r", " ")
        parent = self.parent.location().offset if self.parent is not None else 0
        return Location(self.kind, self.name, name, self.place, parent + self.offset)


class Rejected(Exception):  # noqa: N818 - not a failure of the program: an item of the file is refused
    """An item is wrong. Caught where items are read; becomes a diagnostic."""

    def __init__(
        self, code: str, message: str, context: Context, at: At | None = None, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context
        self.at = at
        self.hint = hint


class NotDefinedError(Rejected):
    """An item appends to, or changes, something that is not defined."""

    kind = ""
    """``list``, ``macro`` or ``rule``."""
    name = ""


class FirstError(Exception):
    """Raised after the first error where only that one is asked for."""


class Sink:
    """Collects the diagnostics of loading one file."""

    def __init__(self, *, first_error_only: bool = False) -> None:
        self.items: list[Diagnostic] = []
        self.failed = False
        self._first_error_only = first_error_only

    def error(self, code: str, message: str, context: Context, at: At | None = None, hint: str = "") -> None:
        """Add an error. Raises FirstError if no more are wanted."""
        self.items.append(diagnostic(ERROR, code, message, context, at, hint))
        self.failed = True
        if self._first_error_only:
            raise FirstError

    def reject(self, rejected: Rejected) -> None:
        """Add what ``rejected`` says. Raises FirstError like :meth:`error`."""
        self.error(rejected.code, rejected.message, rejected.context, rejected.at, rejected.hint)

    def warning(
        self, code: str, message: str, context: Context, at: At | None = None, hint: str = ""
    ) -> None:
        """Add a warning."""
        self.items.append(diagnostic(WARNING, code, message, context, at, hint))

    def add(self, items: list[Diagnostic]) -> None:
        """Add diagnostics made earlier. Raises FirstError at the first error among them."""
        for item in items:
            self.items.append(item)
            if item.is_error:
                self.failed = True
                if self._first_error_only:
                    raise FirstError


def diagnostic(  # noqa: PLR0913, PLR0917
    severity: str, code: str, message: str, context: Context, at: At | None = None, hint: str = ""
) -> Diagnostic:
    """Make a diagnostic at ``at``, or at the context itself."""
    spot = _spot(context, at)
    return Diagnostic(
        severity=severity,
        code=code,
        message=message,
        file=spot.source.name,
        place=spot.span.start,
        end=spot.span.end,
        chain=context.chain(),
        hint=hint,
        snippet=_snippet_of(context),
    )


def _spot(context: Context, at: At | None) -> Spot:
    if isinstance(at, Spot):
        return at
    start = context.place if at is None else at.place
    if isinstance(at, Scalar) and at.style in {"", "'", '"'}:
        end = context.source.place(at.end)
        if end.line == start.line:
            return Spot(context.source, Span(start, end))
    return Spot(context.source, Span(start, start))


def _snippet_of(context: Context) -> str:
    if isinstance(context, ExpressionContext) and context.expression:
        return snippet(context.expression, context.offset)
    return snippet(context.source.text, context.source.offset(context.place))


def snippet(text: str, offset: int) -> str:
    """Show the line of ``text`` around ``offset``, and a caret below it."""
    if not text:
        return "<No context available>\n"
    half = SNIPPET_WIDTH // 2
    while offset > 0 and (offset >= len(text) or text[offset] == "\n"):
        offset -= 1
    begin = max(text.rfind("\n", 0, offset) + 1, offset - half)
    end = text.find("\n", offset)
    end = min(len(text) if end < 0 else end, offset + half + 1)
    line = text[begin:end]
    if offset - begin >= half:
        line = "..." + line[3:]
    if end - 1 - offset >= half:
        line = line[:-3] + "..."
    return f"{line}\n{' ' * (offset - begin)}^\n"
