"""What every responder is: its description, its plan, its verdict.

The description alone feeds validation, ``tercel responders`` and the docs. A responder
reaches the host only through :class:`responders.system.System`, so what it decides can be
tested against a fake host.

    ResponderError
    ├── ParameterError   the parameters are not what the description says
    ├── Refused          it must not act: another process, a protected one, too little known
    └── Failed           it was to act and could not
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from responders.system import Held, Process, System

Json = dict[str, Any]

_CALLED = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
TYPES: Mapping[str, type[Any]] = {"bool": bool, "int": int, "float": float, "str": str}


TTL = "ttl"
"""Parameter of every responder that has an undo: after so many seconds the host undoes it by itself."""


class ResponderError(Exception):
    """A responder did not do what was asked; the message says why."""


class ParameterError(ResponderError):
    """The parameters are not what the description says."""


class Refused(ResponderError):  # noqa: N818 - the word of the action's state
    """It must not act. Nothing was touched."""


class Failed(ResponderError):  # noqa: N818 - the word of the action's state
    """It was to act and could not; the message says what state things are in."""

    def __init__(self, message: str, result: Json | None = None) -> None:
        super().__init__(message)
        self.result: Json = result or {}
        """What was done all the same."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a responder."""

    name: str
    type: str
    """One of :data:`TYPES`."""
    default: Any
    what: str
    """One sentence for people, with the unit."""
    choices: tuple[Any, ...] = ()
    """Allowed values; empty for any."""
    least: float | None = None
    most: float | None = None

    def check(self, value: Any) -> Any:
        """Return ``value`` as this parameter's type. Raises ParameterError."""
        wanted = TYPES[self.type]
        if wanted is float and type(value) is int:
            value = float(value)
        # bool is an int to isinstance; "signal: true" must not pass for a number
        if type(value) is not wanted:
            raise ParameterError(f"{self.name} must be {_CALLED[self.type]}, not {_shown(value)}")
        if self.choices and value not in self.choices:
            raise ParameterError(
                f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {_shown(value)}"
            )
        if (self.least is not None and value < self.least) or (self.most is not None and value > self.most):
            raise ParameterError(
                f"{self.name} must be between {self.least} and {self.most}, not {_shown(value)}"
            )
        return value


@dataclass(frozen=True)
class Description:
    """All that is known of a responder without running it."""

    name: str
    summary: str
    """One sentence."""
    details: str
    """What it does exactly, and what it does not."""
    parameters: tuple[Parameter, ...]
    needs: tuple[str, ...]
    """Keys of the alert's subject (``agent.event.Subject``) without which it refuses."""
    privileges: tuple[str, ...]
    """Linux capabilities that it uses on the host."""
    destructive: bool
    """Whether something is lost that cannot be brought back."""
    reversible: bool
    """Whether there is an ``undo``."""
    continues: bool
    """Whether a playbook goes on to its next step after this one, where it does not say (``continue``)."""
    example: str
    """An ``action`` block of a playbook, as YAML."""

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter called ``name``, if there is one."""
        return next((one for one in self.parameters if one.name == name), None)

    def check(self, given: Mapping[str, Any]) -> Json:
        """Return the parameters with defaults filled in. Raises ParameterError naming the wrong one."""
        for name in given:
            if self.parameter(name) is None:
                known = ", ".join(one.name for one in self.parameters) or "none"
                raise ParameterError(f"{self.name} has no parameter {_shown(name)} (it has: {known})")
        return {one.name: one.check(given.get(one.name, one.default)) for one in self.parameters}

    def missing(self, target: Mapping[str, Any]) -> list[str]:
        """Return the needed keys that ``target`` lacks."""
        return [key for key in self.needs if target.get(key) is None]


@dataclass(frozen=True)
class Context:
    """What a responder is given."""

    target: Mapping[str, Any]
    """The alert's subject (``agent.event.Subject``): data from a hostile host, checked by the responder."""
    parameters: Mapping[str, Any]
    """As :meth:`Description.check` returns them."""
    system: System
    guard: Callable[[Process], str | None]
    """Why a process is protected, or ``None``. Asked for every process, right before it is touched."""
    evidence: Path
    """Folder for what this action collects; not made yet."""
    note: Callable[[Json], None] = lambda _: None
    """Adds to the journal what becomes known while acting, durably, before it is acted on."""


@dataclass
class Plan:
    """What a responder would do, with its targets held so that they cannot become something else."""

    does: tuple[str, ...]
    """Sentences for people, one a step."""
    before: Json
    """Identity and state of what will be touched, for the journal: enough for ``verify`` and ``undo``."""
    already: Json | None = None
    """The result if there is nothing left to do, else ``None``."""
    held: list[Held] = field(default_factory=list)

    def close(self) -> None:
        """Let go of what is held."""
        for one in self.held:
            one.close()


class Responder(Protocol):
    """The functions of a responder's module.

    One that is reversible also has ``undo(before, context) -> Json``, which brings back what was before and
    may be called again after it was interrupted. It takes the parameter :data:`TTL`.
    """

    @property
    def DESCRIPTION(self) -> Description:  # noqa: N802 - a constant of the module
        """All that is known of it without running it."""

    def plan(self, context: Context) -> Plan:
        """Hold the target and say what would be done. Touches nothing. Raises Refused or Failed."""

    def do(self, plan: Plan, context: Context) -> Json:
        """Do it, make sure of it, return the result. Raises Failed, or Refused if nothing was touched."""

    def verify(self, before: Json, context: Context) -> Json:
        """Find out whether an act that was begun and interrupted took effect.

        ``before`` is the plan's, with what ``note`` added. Returns the result if it took effect. Raises
        Failed if it did not, or not wholly, or if that cannot be known; the message says which.
        """


def _shown(value: Any) -> str:
    return ascii(value)[:80]
