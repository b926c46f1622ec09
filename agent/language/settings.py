"""What ``load`` is told besides the files: the part of ``falco.yaml`` that concerns rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.language.version import Version

ENGINE_VERSION = Version(0, 63, 0)
"""The Falco engine version whose rule language this is; ``required_engine_version`` is compared with it."""


@dataclass(frozen=True)
class Selection:
    """One entry of ``rules:`` in ``falco.yaml``: enable or disable rules by name pattern or tag."""

    enable: bool
    rule: str | None = None
    """Rule name; ``*`` matches any text, everything else itself. ``None`` if by tag."""
    tag: str | None = None
    """A tag, exactly. ``None`` if by rule."""


@dataclass(frozen=True)
class ExtraField:
    """One entry of ``extra_fields``: ``name`` is the key in ``output_fields``, ``format`` what it holds.

    ``raw`` is true for a plain field (``- proc.pid``): ``format`` is the field without ``%``, and its value
    keeps its type.
    """

    name: str
    format: str
    raw: bool


@dataclass(frozen=True)
class AppendOutput:
    """One entry of ``append_output`` in ``falco.yaml``."""

    source: str = ""
    """Only rules of this source; empty for any."""
    rule: str = ""
    """Only the rule of this name; empty for any."""
    tags: frozenset[str] = frozenset()
    """Only rules that have all of these tags."""
    extra_output: str = ""
    """Appended to the rule's output after a blank."""
    extra_fields: tuple[ExtraField, ...] = ()
    suggested_output: bool = False


@dataclass(frozen=True)
class LoadSettings:
    """Settings of one ``load``. The defaults are Falco's."""

    priority: str = "Debug"
    """Minimum priority: less urgent rules are checked but not active."""
    rules: tuple[Selection, ...] = ()
    """Applied in order after loading."""
    append_output: tuple[AppendOutput, ...] = ()
    plugins: dict[str, str] | None = None
    """Loaded plugins, name to version, for ``required_plugin_versions``; ``None``: not checked."""
    sources: frozenset[str] = field(default=frozenset({"syscall"}))
    """Event sources that rules may name; rules of other sources are skipped with a warning."""
    engine_version: Version = ENGINE_VERSION
    first_error_only: bool = False
    """Report one error per file and stop at the first file that fails, as Falco does when it starts."""
