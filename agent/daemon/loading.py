"""From a source to a ruleset that can run: read, validate, say what is wrong.

The daemon does this in a child process: parsing needs memory that Python does not give back, and the
loop must not wait. The child writes one pickle and ends.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.config import Config, ConfigError, Problem, settings
from agent.daemon.sources import Source
from agent.language.diagnostic import Diagnostic
from agent.language.ruleset import Ruleset
from agent.language.settings import AppendOutput, ExtraField, LoadSettings, Selection
from agent.language.source import RulesFile, rules_of_folder
from agent.language.tree import And

_TIMEOUT_S = 120


@dataclass(frozen=True)
class Finding:
    """One error, warning or notice about a configuration or a rules file."""

    severity: str
    file: str
    line: int
    """From 1; 0 where there are no lines."""
    column: int
    code: str
    message: str
    hint: str = ""
    snippet: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        code = f" [{self.code}]" if self.code else ""
        hint = f"\n  fix: {self.hint}" if self.hint else ""
        return f"{place}: {self.severity}{code}: {self.message}{hint}"


class LoadError(Exception):
    """A source cannot run; :attr:`findings` says why, warnings included."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("\n".join(str(each) for each in findings if each.severity == "error"))
        self.findings = findings

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.findings,)


@dataclass(frozen=True)
class Prepared:
    """A source that can run."""

    source: Source
    config: Config
    ruleset: Ruleset
    findings: tuple[Finding, ...]
    """Warnings and notices."""
    kernel_filter: str
    """C text of the filter that keeps, in the kernel, the events that some active rule may match."""
    digest: str
    """``agent.release.engine_digest`` of the bytes that were loaded."""
    rules_sha256: tuple[tuple[str, str], ...]
    """Name and digest of each rules file, in load order."""
    config_sha256: tuple[tuple[str, str], ...]
    """Name and digest of each configuration file."""


def prepare(source: Source, *, keep_trees: bool = False) -> Prepared:
    """Read and load a source in this process. Raises LoadError.

    ``keep_trees``: keep what only descriptions of rules need.
    """
    from agent import release  # archives and digests, the same
    from agent.config.read import read as read_config  # YAML and lark are needed only here
    from agent.language import load

    try:
        read = read_config(source.config, source.options, os.environ)
    except ConfigError as error:
        raise LoadError(tuple(_of_problem(each) for each in error.problems)) from None
    findings = [_of_problem(each) for each in read.problems]
    files = _rules_files(source, read.config, findings)
    loaded = load(files, load_settings(read.config))
    findings += [_of_diagnostic(each) for each in loaded.diagnostics]
    if loaded.ruleset is None:
        raise LoadError(tuple(findings))
    return Prepared(
        source=source,
        config=read.config,
        ruleset=loaded.ruleset if keep_trees else _lean(loaded.ruleset),
        findings=tuple(findings),
        kernel_filter=_kernel_filter(loaded.ruleset),
        digest=release.engine_digest([file.content for file in files], read.files[0][1]),
        rules_sha256=tuple((file.name, release.sha256(file.content)) for file in files),
        config_sha256=tuple((str(path), release.sha256(text)) for path, text in read.files),
    )


def prepare_in_child(source: Source) -> Prepared:
    """Do :func:`prepare` in a child process. Raises LoadError; RuntimeError if the child fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.run(
        [sys.executable, "-m", "agent.daemon.load_child"],
        input=pickle.dumps(source),
        capture_output=True,
        env=environment,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if child.returncode != 0:
        text = child.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"the process that loads rules ended with {child.returncode}: {text[-2000:]}")
    result = pickle.loads(child.stdout)  # noqa: S301 - our own child wrote it
    if isinstance(result, LoadError):
        raise result
    if not isinstance(result, Prepared):
        raise TypeError(f"the process that loads rules answered with {type(result).__name__}")
    return result


def _rules_files(source: Source, config: Config, findings: list[Finding]) -> list[RulesFile]:
    errors: list[Finding] = []
    files: list[RulesFile] = []
    for name in source.rules or config.rules_files:
        path = source.resolve(name)
        if not path.exists():
            findings.append(Finding("warning", str(path), 0, 0, "", "does not exist: skipped"))
            continue
        for file in _in_folder(path) if path.is_dir() else [path]:
            _read_rules(file, files, errors)
    if not files and not errors:
        text = "names no rules file that exists: nothing would be detected; set rules_files, or give -r FILE"
        errors.append(Finding("error", str(source.config), 0, 0, "", text))
    if errors:
        raise LoadError((*findings, *errors))
    return files


def _read_rules(file: Path, files: list[RulesFile], errors: list[Finding]) -> None:
    try:
        files.append(RulesFile(str(file), file.read_bytes()))
    except OSError as error:
        errors.append(Finding("error", str(file), 0, 0, "", f"cannot be read: {error.strerror}"))


def _in_folder(folder: Path) -> list[Path]:
    return rules_of_folder(each for each in folder.iterdir() if each.is_file())


def load_settings(config: Config) -> LoadSettings:
    """Return the part of the configuration that concerns loading rules."""
    return LoadSettings(
        priority=config.priority,
        rules=tuple(_selections(config)),
        append_output=tuple(_append(entry) for entry in config.append_output),
    )


def _selections(config: Config) -> list[Selection]:
    chosen = [(each.enable is not None, each.enable or each.disable) for each in config.rules]
    return [Selection(enable, able.rule, able.tag) for enable, able in chosen if able is not None]


def _append(entry: settings.AppendOutput) -> AppendOutput:
    fields = []
    for extra in entry.extra_fields:
        if isinstance(extra, dict):
            fields += [ExtraField(str(name), str(form), raw=False) for name, form in extra.items()]
        else:
            fields.append(ExtraField(str(extra), str(extra), raw=True))
    return AppendOutput(
        source=entry.match.source,
        rule=entry.match.rule,
        tags=frozenset(entry.match.tags),
        extra_output=entry.extra_output,
        extra_fields=tuple(fields),
        suggested_output=entry.suggested_output,
    )


def _of_problem(problem: Problem) -> Finding:
    place = problem.place
    return Finding(problem.severity, place.file, place.line, place.column, "", problem.message)


def _of_diagnostic(item: Diagnostic) -> Finding:
    return Finding(
        severity=item.severity,
        file=item.file,
        line=item.place.line + 1,
        column=item.place.column + 1,
        code=item.code,
        message=item.message,
        hint=item.hint,
        snippet=item.snippet,
    )


def _kernel_filter(ruleset: Ruleset) -> str:
    from agent.compiler.filter.c_text import c_text  # the child's work as well
    from agent.compiler.filter.plan import KernelFilter
    from agent.kernel.capture import supported_event_types, supports_field

    supported = supported_event_types()
    forms = KernelFilter.build(ruleset.active_rules, supports_field).forms
    return c_text({name: form for name, form in forms.items() if name in supported})


def _lean(ruleset: Ruleset) -> Ruleset:
    """Return the ruleset with its active rules only, without what only descriptions need."""
    rules = [
        dataclasses.replace(rule, tree=And(()), canonical=b"", condition_text="", exceptions=())
        for rule in ruleset.active_rules
    ]
    return dataclasses.replace(ruleset, rules=tuple(rules), macros=(), lists=())
