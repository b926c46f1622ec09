"""Whether the loaded plugins are what the rules require."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.language.ruleset import PluginRequirement
from agent.language.version import parse_version


def missing_plugins(required: Sequence[PluginRequirement], loaded: Mapping[str, str]) -> tuple[str, ...]:
    """Return one message for each requirement that no loaded plugin satisfies, in Falco's words."""
    return tuple(message for one in required if (message := _missing(one, loaded)))


def _missing(requirement: PluginRequirement, loaded: Mapping[str, str]) -> str:
    for name, version in requirement.any_of:
        if name not in loaded:
            continue
        have, need = parse_version(loaded[name]), parse_version(version)
        if have is None:
            return f"Plugin '{name}' has invalid version '{loaded[name]}'"
        if need is None or not have.satisfies(need):
            return (
                f"Plugin '{name}' version '{loaded[name]}' is not compatible "
                f"with required plugin version '{version}'"
            )
        return ""
    wanted = ", ".join(f"{name} (>= {version})" for name, version in requirement.any_of)
    return f"Plugin requirement not satisfied, must load one of: {wanted}"
