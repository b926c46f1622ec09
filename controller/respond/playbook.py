"""Playbooks: which alerts lead to which actions. Pure: files in, rules and problems out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any, TypeVar

from agent.alert import PRIORITIES
from controller.respond import match as matching
from controller.respond.blocks import (
    ActionBlock,
    Blocks,
    Group,
    Merged,
    RuleBlock,
    combine_parameters,
    gather,
)
from controller.respond.limits import Budget, Dedup, Limits, Threshold
from controller.respond.match import Match, Priority
from controller.respond.source import ERROR, WARNING, Place, PlaybookFile, Problem, read
from responders.registry import RESPONDERS
from responders.shape import Description, ParameterError

T = TypeVar("T")

SHADOW, ENFORCE = "shadow", "enforce"
TALON = frozenset({"kubernetes", "calico", "cilium", "aws", "gcp"})
"""Talon's categories of actionners: things that a host does not have."""


@dataclass(frozen=True)
class Step:
    """One action of a rule."""

    name: str
    responder: str
    parameters: Mapping[str, Any]
    """Complete, as the responder's description checked them."""
    continues: bool
    """Whether the next step follows this one."""
    ignore_errors: bool
    """Whether the next step follows even if this one fails."""


@dataclass(frozen=True)
class Rule:
    """A rule of a playbook."""

    name: str
    playbook: str
    """Name of the file that began it."""
    description: str
    match: Match
    hosts: tuple[str, ...]
    """Patterns of host and group names, ``!`` in front to exclude; empty for every host."""
    mode: str
    """:data:`SHADOW`: decided and written down, never sent. :data:`ENFORCE`: done."""
    continues: bool
    """Whether the rules after it are looked at when it matches."""
    steps: tuple[Step, ...]
    notifiers: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def is_for(self, host: str, groups: Collection[str]) -> bool:
        """Whether it is for a host that is in these groups."""
        wanted = [pattern for pattern in self.hosts if not pattern.startswith("!")]
        unwanted = [pattern[1:] for pattern in self.hosts if pattern.startswith("!")]
        names = (host, "all", *groups)
        return (not wanted or _any(wanted, names)) and not _any(unwanted, names)


@dataclass(frozen=True)
class Loaded:
    """The outcome of reading playbooks."""

    rules: tuple[Rule, ...] | None
    """In order; ``None`` if there is an error."""
    problems: tuple[Problem, ...]


def load(files: Sequence[PlaybookFile], known_rules: Collection[str] | None = None) -> Loaded:
    """Read the files in order; later blocks change earlier ones of a name. Never raises for bad input.

    ``known_rules``: names of the rules that can raise alerts, where known: others in ``match`` are warned of.
    """
    problems: list[Problem] = []
    read_blocks = []
    for file in files:
        blocks, wrong = read(file)
        read_blocks += blocks
        problems += wrong
    merged, wrong = gather(read_blocks)
    problems += wrong
    resolver = _Resolver(merged, known_rules, problems)
    rules = tuple(resolver.rules())
    failed = any(problem.severity == ERROR for problem in problems)
    return Loaded(None if failed else rules, tuple(problems))


def _any(patterns: Sequence[str], names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


class _Resolver:
    """Makes rules of blocks; what is wrong with them is added to ``problems``."""

    def __init__(self, blocks: Blocks, known_rules: Collection[str] | None, problems: list[Problem]) -> None:
        self._blocks, self._known_rules, self._problems = blocks, known_rules, problems

    def rules(self) -> Iterator[Rule]:
        for action in self._blocks.actions.values():
            self._check_action(action)
        for rule in self._blocks.rules.values():
            yield self._rule(rule)

    def _error(self, place: Place, message: str, fix: str = "") -> None:
        self._problems.append(Problem(ERROR, place, message, fix))

    def _warn(self, place: Place, message: str, fix: str = "") -> None:
        self._problems.append(Problem(WARNING, place, message, fix))

    def _check_action(self, merged: Merged[ActionBlock]) -> None:
        if merged.block.actionner is not None:
            self._description(merged.block.actionner, merged.place("actionner"))

    def _rule(self, merged: Merged[RuleBlock]) -> Rule:
        block = merged.block
        steps = tuple(self._steps(merged))
        if not block.actions:
            self._error(merged.place(), f"rule {block.rule} has no actions", "add an `actions:` list")
        if block.notifiers:
            self._warn(merged.place("notifiers"), "notifiers are kept and not notified yet")
        rule = Rule(
            name=block.rule,
            playbook=PurePath(merged.place().file).name,
            description=block.description or "",
            match=self._match(merged),
            hosts=(block.hosts,) if isinstance(block.hosts, str) else tuple(block.hosts or ()),
            mode=self._mode(merged),
            continues=_boolean(block.continue_, default=True),
            steps=steps,
            notifiers=tuple(block.notifiers),
            limits=_limits(block),
        )
        self._check_reach(rule, merged)
        return rule

    def _mode(self, merged: Merged[RuleBlock]) -> str:
        mode = merged.block.mode or SHADOW
        if mode == "approve":
            self._error(
                merged.place("mode"),
                "mode: approve does not exist yet",
                "write mode: shadow or mode: enforce",
            )
        return SHADOW if _boolean(merged.block.dry_run, default=False) else mode

    def _check_reach(self, rule: Rule, merged: Merged[RuleBlock]) -> None:
        destructive = any(
            RESPONDERS[step.responder].DESCRIPTION.destructive
            for step in rule.steps
            if step.responder in RESPONDERS
        )
        if rule.mode == ENFORCE and rule.match.is_everything and destructive:
            self._error(
                merged.place("match"),
                f"rule {rule.name} enforces what cannot be undone, for every alert that there is",
                "say under match: which alerts are meant",
            )
        for number, step in enumerate(rule.steps[:-1]):
            if not step.continues:
                self._warn(
                    merged.place("actions", number + 1),
                    f"this step is never reached: {step.name} ends the rule",
                    f"add continue: true to {step.name}",
                )
                break

    def _steps(self, merged: Merged[RuleBlock]) -> Iterator[Step]:
        for number, used in enumerate(merged.block.actions):
            if (step := self._step(merged, number, used)) is not None:
                yield step

    def _step(self, rule: Merged[RuleBlock], number: int, used: ActionBlock) -> Step | None:
        base = self._blocks.actions.get(used.action)
        block = base.block if base is not None else used
        actionner, place = used.actionner or block.actionner, rule.place("actions", number, "action")
        if actionner is None:
            near = get_close_matches(used.action, self._blocks.actions, 1)
            fix = f"did you mean {near[0]}?" if near else "add an `- action:` block, or `actionner:` here"
            self._error(place, f"there is no action {used.action}", fix)
            return None
        description = self._description(actionner, place if used.actionner else None)
        if description is None:
            return None
        if used.output is not None or block.output is not None:
            self._warn(place, "output is kept and not used yet")
        parameters = self._parameters(description, block, used, rule.place("actions", number))
        continues = used.continue_ if used.continue_ is not None else block.continue_
        ignore = used.ignore_errors if used.ignore_errors is not None else block.ignore_errors
        return Step(
            name=used.action,
            responder=description.name,
            parameters=parameters,
            continues=_boolean(continues, default=description.continues),
            ignore_errors=_boolean(ignore, default=False),
        )

    def _description(self, actionner: str, place: Place | None) -> Description | None:
        """Return the responder's description. A problem is noted where a place is given."""
        responder = RESPONDERS.get(actionner)
        if responder is not None:
            return responder.DESCRIPTION
        if place is None:
            return None
        known = ", ".join(sorted(RESPONDERS))
        if actionner.partition(":")[0] in TALON and ":" in actionner:
            self._error(place, f"{actionner} has no meaning on a host", f"a host has: {known}")
        else:
            near = get_close_matches(actionner, RESPONDERS, 1)
            fix = f"did you mean {near[0]}?" if near else f"there are: {known}"
            self._error(place, f"there is no responder {actionner}", fix)
        return None

    def _parameters(
        self, description: Description, block: ActionBlock, used: ActionBlock, place: Place
    ) -> Mapping[str, Any]:
        try:
            given = (
                combine_parameters(block.parameters, used.parameters)
                if block is not used
                else used.parameters
            )
            return description.check(given)
        except (ParameterError, TypeError) as error:
            self._error(place, f"action {used.action}: {error}", f"see tercel responders {description.name}")
            return {}

    def _match(self, merged: Merged[RuleBlock]) -> Match:
        block = merged.block.match
        self._check_known(merged, block.rules)
        return Match(
            rules=frozenset(block.rules),
            priority=self._priority(merged, block.priority),
            source=block.source or "",
            tags=tuple(self._groups(merged, "tags", block.tags, matching.parse_tags)),
            fields=tuple(self._groups(merged, "output_fields", block.output_fields, matching.parse_fields)),
        )

    def _check_known(self, merged: Merged[RuleBlock], names: Sequence[str]) -> None:
        if self._known_rules is None:
            return
        for number, name in enumerate(names):
            if name not in self._known_rules:
                near = get_close_matches(name, self._known_rules, 1)
                self._warn(
                    merged.place("match", "rules", number),
                    f"no rule of the ruleset is called {name}",
                    f"did you mean {near[0]}?" if near else "nothing will match it",
                )

    def _priority(self, merged: Merged[RuleBlock], text: str | None) -> Priority | None:
        if not text:
            return None
        try:
            return Priority.parse(text)
        except ValueError as error:
            names = ", ".join(PRIORITIES)
            self._error(
                merged.place("match", "priority"), str(error), f"one of {names}, after =, >, >=, < or <="
            )
            return None

    def _groups(
        self, merged: Merged[RuleBlock], key: str, groups: Sequence[Group], parse: Callable[[Group], T]
    ) -> Iterator[T]:
        for number, group in enumerate(groups):
            try:
                yield parse(group)
            except ValueError as error:
                fix = "write tag, tag" if key == "tags" else 'write field=value, field!="value"'
                self._error(merged.place("match", key, number), str(error), fix)


def _limits(block: RuleBlock) -> Limits:
    threshold, dedup, budget = block.threshold, block.dedup, block.budget
    return Limits(
        threshold=Threshold(threshold.alerts, threshold.seconds) if threshold else None,
        dedup=Dedup(dedup.seconds, tuple(dedup.key)) if dedup else None,
        budget=Budget(budget.seconds, budget.host, budget.fleet) if budget else None,
    )


def _boolean(value: bool | str | None, *, default: bool) -> bool:  # noqa: FBT001 - a value, no switch
    return default if value is None else value in (True, "true")
