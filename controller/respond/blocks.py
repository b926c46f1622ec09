"""The blocks of a playbook file: their keys and types, and how a later block changes an earlier one.

The shape is Falco Talon's (``- action:`` and ``- rule:`` blocks), and so is the merging: blocks
of one name are one; a later single value replaces, a later list or mapping adds. ``mode``, ``hosts``,
``threshold``, ``dedup`` and ``budget`` are ours; a later one replaces, so that a site's file can narrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import ErrorDetails

from controller.respond.source import ERROR, Block, Path, Place, Problem

Group = str | list[str]
"""Tests that must all hold: one text with commas, as Talon has it, or a list."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ActionBlock(_Model):
    """``- action:`` at the top of a file, and an item of a rule's ``actions``."""

    action: str = Field(min_length=1)
    actionner: str | None = None
    description: str | None = None
    parameters: dict[str, Any] = {}
    continue_: StrictBool | Literal["true", "false"] | None = Field(None, alias="continue")
    ignore_errors: StrictBool | Literal["true", "false"] | None = None
    output: dict[str, Any] | None = None


class MatchBlock(_Model):
    """``match:`` of a rule."""

    rules: list[str] = []
    priority: str | None = None
    source: str | None = None
    tags: list[Group] = []
    output_fields: list[Group] = []


class ThresholdBlock(_Model):
    """``threshold:`` of a rule."""

    alerts: int = Field(ge=1, le=10_000)
    seconds: float = Field(gt=0, le=86_400)


class DedupBlock(_Model):
    """``dedup:`` of a rule."""

    seconds: float = Field(gt=0, le=30 * 86_400)
    key: list[str] = []


class BudgetBlock(_Model):
    """``budget:`` of a rule."""

    seconds: float = Field(gt=0, le=30 * 86_400)
    host: int | None = Field(None, ge=0)
    fleet: int | None = Field(None, ge=0)


class RuleBlock(_Model):
    """``- rule:`` at the top of a file."""

    rule: str = Field(min_length=1)
    description: str | None = None
    match: MatchBlock = MatchBlock()
    actions: list[ActionBlock] = []
    continue_: StrictBool | Literal["true", "false"] | None = Field(None, alias="continue")
    dry_run: StrictBool | Literal["true", "false"] | None = None
    notifiers: list[str] = []
    mode: Literal["shadow", "approve", "enforce"] | None = None
    hosts: Group | None = None
    threshold: ThresholdBlock | None = None
    dedup: DedupBlock | None = None
    budget: BudgetBlock | None = None


B = TypeVar("B", ActionBlock, RuleBlock)


@dataclass
class Merged(Generic[B]):
    """A block after every file had its say."""

    block: B
    places: dict[Path, Place] = field(repr=False)

    def place(self, *path: str | int) -> Place:
        """Return where the value at ``path`` was last given, or what encloses it."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]


@dataclass
class Blocks:
    """Every block by name, in the order of first appearance."""

    actions: dict[str, Merged[ActionBlock]] = field(default_factory=dict)
    rules: dict[str, Merged[RuleBlock]] = field(default_factory=dict)


def gather(blocks: list[Block]) -> tuple[Blocks, list[Problem]]:
    """Check the blocks of all files, in order, and merge those of one name."""
    merged, problems = Blocks(), list[Problem]()
    for block in blocks:
        if _FALCO & set(block.value):
            fix = "name its file under --rules; a rule of a playbook has match: and actions:"
            problems.append(
                Problem(ERROR, block.place(), "this belongs to a ruleset, not to a playbook", fix)
            )
        elif "rule" in block.value:
            _add(merged.rules, RuleBlock, "rule", block, problems)
        elif "action" in block.value:
            _add(merged.actions, ActionBlock, "action", block, problems)
        else:
            problems.append(
                Problem(
                    ERROR,
                    block.place(),
                    "neither an action nor a rule",
                    "begin it with `- action:` or `- rule:`",
                )
            )
    return merged, problems


def combine_parameters(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of both: later values win, lists and mappings are joined. Raises TypeError."""
    result = dict(earlier)
    for name, value in later.items():
        old = result.get(name)
        if value is None:
            continue
        if old is not None and isinstance(old, list | dict) is not isinstance(value, list | dict):
            raise TypeError(f"parameter {name} was given as another type before")
        result[name] = _join(old, value)
    return result


def _join(old: Any, new: Any) -> Any:
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *new]
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **new}
    return new


def _add(
    known: dict[str, Merged[B]], model: type[B], name_key: str, block: Block, problems: list[Problem]
) -> None:
    try:
        parsed = model.model_validate(block.value)
    except ValidationError as error:
        problems += [_problem(one, block, model) for one in error.errors()]
        return
    name = getattr(parsed, name_key)
    earlier = known.get(name)
    if earlier is None:
        known[name] = Merged(parsed, dict(block.places))
        return
    try:
        _change(earlier, parsed, block)
    except TypeError as error:
        problems.append(Problem(ERROR, block.place(("parameters",)), str(error), "give it the same type"))


def _change(earlier: Merged[Any], later: Any, block: Block) -> None:
    shift: dict[str, int] = {}
    for name in later.model_fields_set:
        old, new = getattr(earlier.block, name), getattr(later, name)
        if name == "parameters":
            new = combine_parameters(old, new)
        elif name == "match":
            new = _change_match(old, new)
        elif isinstance(old, list) and isinstance(new, list) and name != "hosts":
            shift[name], new = len(old), [*old, *new]
        setattr(earlier.block, name, new)
    earlier.places.update({_shifted(path, shift): place for path, place in block.places.items() if path})


def _change_match(old: MatchBlock, new: MatchBlock) -> MatchBlock:
    changes = {
        name: [*getattr(old, name), *value] if isinstance(value, list) else value
        for name in new.model_fields_set
        for value in [getattr(new, name)]
    }
    return old.model_copy(update=changes)


def _shifted(path: Path, shift: dict[str, int]) -> Path:
    """Return the path of an item that was appended behind ``shift`` others."""
    if len(path) > 1 and path[0] in shift and isinstance(path[1], int):
        return (path[0], path[1] + shift[str(path[0])], *path[2:])
    return path


_FALCO = {"macro", "list", "condition", "required_engine_version"}
"""Keys of a rules file's items."""
_INNER: dict[str, type[BaseModel]] = {
    "match": MatchBlock,
    "actions": ActionBlock,
    "threshold": ThresholdBlock,
    "dedup": DedupBlock,
    "budget": BudgetBlock,
}
_KINDS = {
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "missing": "is missing",
    "string_too_short": "must not be empty",
}
_LATER = {"ttl", "evidence", "on_failure", "run", "condition"}


def _problem(error: ErrorDetails, block: Block, model: type[BaseModel]) -> Problem:
    # The path ends in the names of a union's members, which are not in the file.
    path: Path = tuple(error["loc"])
    while path and path not in block.places and error["type"] != "missing":
        path = path[:-1]
    name = str(path[-1]) if path else "the block"
    if error["type"] == "extra_forbidden":
        return Problem(ERROR, block.place(path), f"unknown key {name}", _spelling(name, path, model))
    what = _KINDS.get(error["type"], f"cannot be {str(error.get('input'))[:60]!r}")
    fix = error["msg"][0].lower() + error["msg"][1:] if error["type"] not in _KINDS else ""
    if "bool_type" in error["type"] or {"true", "false"} <= set(fix.replace("'", " ").split()):
        fix = "write true or false"
    return Problem(ERROR, block.place(path), f"{name} {what}", fix)


def _spelling(name: str, path: Path, model: type[BaseModel]) -> str:
    if name in _LATER:
        return "it does not exist yet"
    model = next((inner for key, inner in _INNER.items() if key in path[:-1]), model)
    known = [field.alias or key for key, field in model.model_fields.items()]
    near = get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
