"""Capture as the daemon uses it, and what a ruleset asks of it in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from agent.compiler.engine import Engine
from agent.event import Event

_MANY = 100
"""A rule that can match more event types than this names none in particular."""


class Counters(Protocol):
    """What capture counted since its start."""

    @property
    def drops(self) -> dict[str, int]:
        """Events lost, by reason."""


class Capture(Protocol):
    """``agent.kernel.capture.Capture``, as far as the daemon needs it."""

    @property
    def mode(self) -> str:
        """How events are captured, for status."""

    def start(self) -> None:
        """Begin. Raises CaptureError."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when events wait."""

    def read(self, handle: Callable[[Event], None], limit: int | None = None) -> int:
        """Hand over what waits."""

    def reload(self, event_types: frozenset[str], filter: str) -> None:  # noqa: A002 - as the real one
        """Capture other event types, losing none. Raises CaptureError; then all is as before."""

    def counters(self) -> Any:
        """Return the :class:`Counters`."""

    def close(self) -> None:
        """End."""


NewCapture = Callable[[frozenset[str], str, bool], Capture]
"""Makes a capture, not yet started: event types, C text of the filter, own pid namespace only or not."""


def live(event_types: frozenset[str], kernel_filter: str, own: bool) -> Capture:  # noqa: FBT001 - see NewCapture
    """Return the real capture."""
    from agent.kernel.capture import Capture as Live  # needs bcc only when something is captured

    return Live(event_types, own_pid_namespace=own, filter=kernel_filter)


_INCOMPLETE = frozenset({"truncated", "identity_map"})


def lost(counters: Counters) -> dict[str, int]:
    """Return the events that never arrived, by reason: without those that arrived incomplete."""
    return {reason: count for reason, count in counters.drops.items() if reason not in _INCOMPLETE}


@dataclass(frozen=True)
class Vain:
    """What a ruleset asks for and capture cannot give."""

    event_types: tuple[str, ...]
    fields: tuple[str, ...]
    rules: tuple[str, ...]
    """Rules that can never match because of it."""

    def __bool__(self) -> bool:
        return bool(self.event_types or self.fields)


def split(engine: Engine) -> tuple[frozenset[str], Vain]:
    """Return the event types to capture, and what the engine asks for in vain."""
    from agent.kernel.capture import supported_event_types, supports_field

    supported = supported_event_types()
    narrow = [each.rule for each in engine.rules if len(each.rule.event_types) <= _MANY]
    missing = {name for rule in narrow for name in rule.event_types - supported}
    dead = [rule.name for rule in narrow if not rule.event_types & supported]
    fields = [key for key in engine.fields if not supports_field(key)]
    return engine.event_types & supported, Vain(tuple(sorted(missing)), tuple(sorted(fields)), tuple(dead))
