"""``action.run`` as the controller sends it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = re.compile(r"[A-Za-z0-9._:-]{8,128}")


class RequestError(ValueError):
    """The request is not one of the protocol. Nothing was done and nothing was written down."""


@dataclass(frozen=True)
class Request:
    """An action to run."""

    key: str
    """Idempotency key: an action with a key that was seen before is not run again."""
    responder: str
    parameters: Mapping[str, Any]
    target: Mapping[str, Any]
    """The alert's subject."""
    alert: Mapping[str, Any]
    """``epoch``, ``seq`` and ``rule`` of the alert, for the journal."""

    @classmethod
    def parse(cls, action: Any) -> Request:
        """Read the ``action`` of the message. Raises RequestError."""
        if not isinstance(action, dict):
            raise RequestError("action must be an object")
        return cls(
            key=check_key(action.get("key")),
            responder=_text(action, "responder"),
            parameters=_object(action, "parameters"),
            target=_object(action, "target"),
            alert=_object(action, "alert"),
        )


def check_key(value: Any) -> str:
    """Return ``value`` if it can be an idempotency key. Raises RequestError."""
    if not isinstance(value, str) or not KEY.fullmatch(value):
        raise RequestError(f"key must be 8 to 128 letters, digits or ._:-, not {ascii(value)[:200]}")
    return value


def _text(action: dict[str, Any], name: str) -> str:
    value = action.get(name)
    if not isinstance(value, str):
        raise RequestError(f"action.{name} must be text")
    return value


def _object(action: dict[str, Any], name: str) -> dict[str, Any]:
    value = action.get(name)
    if not isinstance(value, dict):
        raise RequestError(f"action.{name} must be an object")
    return value
