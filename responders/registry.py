"""Every responder by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from responders import capture_process, kill_process, suspend_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders.shape import Context, Description, Json, Responder

_MODULES = (capture_process, kill_process, suspend_process)
RESPONDERS: Mapping[str, Responder] = {module.DESCRIPTION.name: module for module in _MODULES}
UNDO: Mapping[str, Callable[[Json, Context], Json]] = {
    suspend_process.DESCRIPTION.name: suspend_process.undo,
}
"""The undo of every responder that is reversible."""


def descriptions() -> list[Description]:
    """Return the description of every responder, by name."""
    return [RESPONDERS[name].DESCRIPTION for name in sorted(RESPONDERS)]
