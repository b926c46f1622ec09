"""How a host is reached, from its Ansible variables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.errors import InventoryError
from controller.inventory.model import Connection, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGENT = "put the key into ssh-agent or name it in ansible_ssh_private_key_file"
_REFUSED = {
    "ansible_ssh_common_args": "tercel does not start the ssh program",
    "ansible_ssh_extra_args": "tercel does not start the ssh program",
    "ansible_ssh_args": "tercel does not start the ssh program",
    "ansible_password": f"tercel logs in with keys; {_AGENT}",
    "ansible_ssh_pass": f"tercel logs in with keys; {_AGENT}",
    "ansible_ssh_password": f"tercel logs in with keys; {_AGENT}",
    "ansible_become_password": "tercel uses sudo without a password; allow it in sudoers (NOPASSWD)",
    "ansible_become_pass": "tercel uses sudo without a password; allow it in sudoers (NOPASSWD)",
    "ansible_sudo_pass": "tercel uses sudo without a password; allow it in sudoers (NOPASSWD)",
}
"""Variables that would change how a host is reached and have no effect here, and why."""


def connection(name: str, variables: Mapping[str, Variable], base: Path) -> Connection:
    """Return how the host ``name`` is reached. File names are relative to ``base``. Raises InventoryError."""
    _refuse(variables)
    port = _number(variables, "ansible_port", "ansible_ssh_port")
    return Connection(
        address=_text(variables, "ansible_host", "ansible_ssh_host") or name,
        port=port if port is not None else 22,
        user=_text(variables, "ansible_user", "ansible_ssh_user") or "root",
        key_file=_file(variables, base, "ansible_ssh_private_key_file", "ansible_private_key_file"),
        known_hosts=_file(variables, base, "tercel_known_hosts"),
        python=_python(variables),
        become=_flag(variables, "ansible_become", default=True),
    )


def _refuse(variables: Mapping[str, Variable]) -> None:
    ignored = variables["tercel_ignore"].value if "tercel_ignore" in variables else []
    for name, why in _REFUSED.items():
        if name in variables and name not in (ignored or []):
            raise InventoryError(
                f"{name} has no effect here: {why}. Remove it, or say that you know: tercel_ignore: [{name}]",
                variables[name].place,
            )
    for name, fine in (
        ("ansible_connection", {"ssh", "smart", "paramiko", "paramiko_ssh"}),
        ("ansible_become_method", {"sudo"}),
    ):
        if name in variables and variables[name].value not in fine:
            raise InventoryError(
                f"{name} can only be one of {', '.join(sorted(fine))} here", variables[name].place
            )


def _first(variables: Mapping[str, Variable], *names: str) -> Variable | None:
    for name in names:
        if (variable := variables.get(name)) is not None and variable.value is not None:
            if "{{" in str(variable.value):
                raise InventoryError(
                    f"{name} must be plain: tercel does not render templates in the inventory", variable.place
                )
            return variable
    return None


def _text(variables: Mapping[str, Variable], *names: str) -> str | None:
    variable = _first(variables, *names)
    if variable is None:
        return None
    if (
        not isinstance(variable.value, str | int)
        or isinstance(variable.value, bool)
        or not str(variable.value)
    ):
        raise InventoryError(f"{names[0]} must be text", variable.place)
    return str(variable.value)


def _number(variables: Mapping[str, Variable], *names: str) -> int | None:
    variable = _first(variables, *names)
    if variable is None:
        return None
    text = str(variable.value)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise InventoryError(
            f"{names[0]} must be a port number from 1 to 65535, not {text!r}", variable.place
        )
    return int(text)


def _flag(variables: Mapping[str, Variable], name: str, *, default: bool) -> bool:
    variable = _first(variables, name)
    if variable is None:
        return default
    if not isinstance(variable.value, bool):
        raise InventoryError(f"{name} must be true or false", variable.place)
    return variable.value


def _file(variables: Mapping[str, Variable], base: Path, *names: str) -> Path | None:
    text = _text(variables, *names)
    return (base / Path(text).expanduser()) if text is not None else None


def _python(variables: Mapping[str, Variable]) -> str | None:
    text: Any = _text(variables, "ansible_python_interpreter")
    return None if text in {"auto", "auto_silent", "auto_legacy", "auto_legacy_silent"} else text
