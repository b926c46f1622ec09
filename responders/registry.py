"""Every responder by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders import kill_process

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders.shape import Description, Responder

RESPONDERS: Mapping[str, Responder] = {module.DESCRIPTION.name: module for module in (kill_process,)}


def descriptions() -> list[Description]:
    """Return the description of every responder, by name."""
    return [RESPONDERS[name].DESCRIPTION for name in sorted(RESPONDERS)]
