"""The probe's source for a set of event types: offsets, layout, settings, filter, and ``probe``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.kernel import layout, probe, syscalls

KEEP_ALL = "AI bool keep(struct call *c) { return true; }"
"""The filter that keeps every event."""

_TOGETHER = ({"execve", "execveat"},)
"""A successful execveat returns with execve's number on x86, so these are captured together."""
_SOCKETCALL_NUMBER = 102


@dataclass(frozen=True)
class Settings:
    """What one generation of programs is compiled for."""

    event_types: frozenset[str]
    generation: int
    pidns: int
    """Inode of the agent's pid namespace."""
    own_pid_namespace: bool = False
    environment: bool = True
    """Whether events carry the process's environment."""
    typed: bool = True
    """Whether to try the typed tracepoint before the plain one."""
    filter: str = KEEP_ALL
    """C source of ``static bool keep(struct call *c)``; ``struct call`` is in ``probe/record.c``."""


def wanted(event_types: Iterable[str]) -> frozenset[str]:
    """Return the event types to capture so that those asked for are complete."""
    types = frozenset(event_types)
    for group in _TOGETHER:
        if types & group:
            types |= group
    return types


def table(event_types: Iterable[str]) -> dict[int, bytes]:
    """Return the entries of the probe's table of calls, by index."""
    numbers, calls = syscalls.type_numbers(), syscalls.calls()
    return {
        index: calls[name].descriptor(numbers[name])
        for name in wanted(event_types)
        for index in syscalls.numbers_by_type().get(name, ())
    }


def source(offsets: str, settings: Settings, *, typed: bool) -> str:
    """Return the complete C source."""
    types = wanted(settings.event_types)
    indices = {index for name in types for index in syscalls.numbers_by_type().get(name, ())}
    wide = {index for index in indices if index < syscalls.COMPAT}
    narrow = {index - syscalls.COMPAT for index in indices if syscalls.COMPAT <= index < syscalls.SOCKETCALL}
    if any(index >= syscalls.SOCKETCALL for index in indices):
        narrow.add(_SOCKETCALL_NUMBER)
    defines = {
        "GENERATION": settings.generation,
        "TYPED": int(typed),
        "AGENT_PIDNS": f"{settings.pidns}U",
        "AGENT_PIDNS_ONLY": int(settings.own_pid_namespace),
        "WANT_64": _mask(wide),
        "WANT_32": _mask(narrow),
        "WANT_PROCEXIT": int(syscalls.PROCEXIT in types),
        "WANT_ENV": int(settings.environment),
    }
    events = {f"EV_{name}": number for name, number in syscalls.type_numbers().items()}
    lines = [f"#define {name} {value}" for name, value in {**defines, **events}.items()]
    body = probe.text()
    return "\n".join(
        [offsets, layout.c_header(), *lines, body.replace("\nFILTER\n", f"\n{settings.filter}\n")]
    )


def _mask(numbers: set[int]) -> str:
    """Return a C expression over ``nr``: is it one of these? One bit test per 64 numbers in use."""
    words: dict[int, int] = {}
    for number in numbers:
        words[number // 64] = words.get(number // 64, 0) | 1 << number % 64
    if not words:
        return "0"
    text = "0"
    for word, bits in sorted(words.items(), reverse=True):
        text = f"((nr & 0x3fffffff) >> 6 == {word} ? (({bits:#x}ULL >> (nr & 63)) & 1) : {text})"
    return text
