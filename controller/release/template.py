"""Rendering ``falco.yaml`` for a host: jinja2, sandboxed; a name that is not defined is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.config.document import parse
from agent.config.problem import ERROR, ConfigError, Problem
from agent.config.read import typed
from controller.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from controller.inventory import Host

RULES = "/etc/tercel/current/rules"
"""Where a host finds the rules of its release."""
DEFAULT = f"""\
# The configuration that tercel gives to a host if a release is built without --config.
rules_files:
  - {RULES}
json_output: true
"""


class Template:
    """A template of ``falco.yaml``; the host's variables are its names."""

    def __init__(self, name: str, text: str, folder: Path | None = None) -> None:
        """Raise InputError with ``file:line`` if the text is no template.

        ``folder`` is where ``{% include %}`` finds files.
        """
        loader = jinja2.FileSystemLoader(folder) if folder else None
        environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            autoescape=False,
            loader=loader,
        )
        self._name = name
        try:
            code = environment.compile(text, name, name)
        except jinja2.TemplateSyntaxError as error:
            raise InputError(f"the template is broken: {error.message}", f"{name}:{error.lineno}") from None
        self._template = jinja2.Template.from_code(environment, code, environment.make_globals(None))

    @classmethod
    def read(cls, path: Path) -> Template:
        """Read a template file. Raises InputError."""
        try:
            return cls(str(path), path.read_text(encoding="utf-8"), path.parent)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the template: {error}", str(path)) from None

    def render(self, host: Host) -> bytes:
        """Return the configuration of a host. Raises InputError with ``file:line`` and the host's name."""
        try:
            text = self._template.render(host.values())
        except (
            jinja2.TemplateError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            place = f"{self._name}:{_line(error, self._name)}"
            raise InputError(f"cannot render it for {host.name}: {error}", place) from None
        _check(text, f"{self._name} for {host.name}")
        return text.encode()


def _line(error: BaseException, name: str) -> int:
    """Return the last line of the template that the error went through."""
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == name:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _check(text: str, what: str) -> None:
    """Check that the text is a configuration that an agent takes, and loads this release's rules."""
    problems: list[Problem] = []
    try:
        root = parse(text.encode(), what, problems)
        if "${" not in text:  # what environment variables say is known on the host only
            typed(root, problems)
    except ConfigError as error:
        first = next(problem for problem in error.problems if problem.severity == ERROR)
        raise InputError(first.message, str(first.place)) from None
    _check_rules_files(yaml.safe_load(text), what)


def _check_rules_files(config: Any, what: str) -> None:
    if not isinstance(config, dict):
        raise InputError("the rendered text is no mapping of falco.yaml's keys", what)
    files = config.get("rules_files", config.get("rules_file"))
    named = files if isinstance(files, list) else [files]
    if [str(name).rstrip("/") for name in named] != [RULES]:
        raise InputError(f"rules_files must be [{RULES}], where a host finds the rules of its release", what)
