"""Commands that load and tell, and capture nothing: ``--dry-run``, ``-V``, ``-L``, ``-l``, ``--list``."""

from __future__ import annotations

from agent.daemon.loading import Finding, LoadError, Prepared, prepare
from agent.daemon.sources import Source
from agent.daemon.terminal import complain, say
from agent.fields.catalogue import CATALOGUE


def dry_run(source: Source) -> int:
    """Load everything; return the exit code."""
    from agent.compiler.engine import Engine  # as large as the daemon: only where rules are compiled
    from agent.daemon import capturing

    prepared = _prepared(source)
    if prepared is None:
        return 1
    engine = Engine.build(prepared.ruleset)
    types, vain = capturing.split(engine)
    say(f"ok: {len(engine.rules)} rules, {len(types)} event types captured, digest {prepared.digest}")
    if vain:
        names = ", ".join((*vain.event_types, *vain.fields))
        say(f"in vain, capture cannot give them: {names}")
    return 0


def validate(source: Source) -> int:
    """Check rules; return the exit code."""
    prepared = _prepared(source)
    if prepared is None:
        return 1
    for name, _ in prepared.rules_sha256:
        say(f"{name}: Ok")
    return 0


def rules(source: Source, only: str | None) -> int:
    """List the rules, or show one; return the exit code."""
    prepared = _prepared(source)
    if prepared is None:
        return 1
    chosen = [rule for rule in prepared.ruleset.rules if only in (None, rule.name)]
    if not chosen:
        return complain(f"there is no rule {only!r}")
    for rule in chosen:
        state = "" if rule.active else "(off) "
        say(f"{rule.name:<60} {rule.priority:<14} {state}{' '.join(rule.desc.split())}")
    return 0


def fields() -> int:
    """List every field with its type and what it means; return the exit code."""
    for info in CATALOGUE.fields():
        say(f"{info.name:<32} {info.type!s:<16} {' '.join(info.description.split())}")
    return 0


def _prepared(source: Source) -> Prepared | None:
    """Load ``source`` and print what is wrong with it; ``None`` if it cannot run."""
    try:
        prepared = prepare(source, keep_trees=True)
    except LoadError as error:
        _print(error.findings)
        return None
    _print(prepared.findings)
    return prepared


def _print(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        complain(str(finding))
        if finding.snippet:
            complain(finding.snippet)
