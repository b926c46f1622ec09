"""Events per second through the generated predicates, against a walk over the condition trees, in one run.

    python bench/predicates.py [RULES_FILE…]

Without files: the upstream rulesets below TERCEL_FALCO_DATA, stable alone and all three together. Every event
is given whole, so this measures matching alone: no capture, no decoding, no output.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "compiler"))

from reference import evaluate

from agent.compiler.dispatch import compile_matchers
from agent.compiler.engine import Engine, EngineSettings
from agent.event import Event
from agent.language import Rule, Ruleset, RulesFile, load

DATA = Path(os.environ.get("TERCEL_FALCO_DATA", Path(__file__).parents[1] / "../shared/falco"))
UPSTREAM = ("falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml")
SECONDS = 0.4

PROCESS: dict[str, Any] = {
    "proc.name": b"cc1",
    "proc.exe": b"/usr/lib/gcc/cc1",
    "proc.exepath": b"/usr/lib/gcc/cc1",
    "proc.cmdline": b"cc1 -quiet -I include main.c -o /tmp/cc1.s",
    "proc.args": b"-quiet -I include main.c -o /tmp/cc1.s",
    "proc.pname": b"gcc",
    "proc.pcmdline": b"gcc -c main.c",
    "proc.aname": (b"gcc", b"make", b"bash", b"sshd", b"systemd"),
    "proc.aname[2]": b"make",
    "proc.aname[3]": b"bash",
    "proc.aname[4]": b"sshd",
    "proc.tty": 34816,
    "proc.vpid": 4711,
    "user.name": b"dev",
    "user.uid": 1000,
    "user.loginuid": 1000,
    "container.id": b"host",
    "thread.cap_effective": b"",
    "evt.rawres": 3,
    "evt.res": b"SUCCESS",
}
OPEN: dict[str, Any] = {
    **PROCESS,
    "evt.type": b"openat",
    "evt.is_open_read": True,
    "evt.is_open_write": False,
    "evt.arg.flags": b"O_RDONLY|O_CLOEXEC",
    "fd.num": 3,
    "fd.typechar": b"f",
    "fd.type": b"file",
    "fd.name": b"/usr/include/x86_64-linux-gnu/bits/types.h",
    "fd.nameraw": b"/usr/include/x86_64-linux-gnu/bits/types.h",
    "fd.directory": b"/usr/include/x86_64-linux-gnu/bits",
    "fd.filename": b"types.h",
}
SECRET: dict[str, Any] = {
    "fd.name": b"/etc/shadow",
    "fd.nameraw": b"/etc/shadow",
    "fd.directory": b"/etc",
    "fd.filename": b"shadow",
}
WRITE: dict[str, Any] = {
    "evt.is_open_read": False,
    "evt.is_open_write": True,
    "fd.name": b"/tmp/cc1.s",
    "fd.nameraw": b"/tmp/cc1.s",
    "fd.directory": b"/tmp",
    "fd.filename": b"cc1.s",
}
SOCKET: dict[str, Any] = {
    "fd.num": 3,
    "fd.type": b"ipv4",
    "fd.typechar": b"4",
    "fd.l4proto": b"tcp",
    "fd.sockfamily": b"ip",
    "fd.cip": b"\x0a\x00\x00\x05",
    "fd.sip": b"\x0a\x00\x00\x09",
    "fd.cport": 41000,
    "fd.sport": 8080,
    "fd.connected": True,
    "fd.name_changed": True,
}
EVENTS: dict[str, dict[str, Any]] = {
    "open of a header": OPEN,
    "open of /etc/shadow": {**OPEN, **SECRET},
    "open to write in /tmp": {**OPEN, **WRITE},
    "exec of a compiler": {**PROCESS, "evt.type": b"execve", "evt.arg.flags": b"EXE_WRITABLE"},
    "connect in the net": {**PROCESS, **SOCKET, "evt.type": b"connect"},
}


def rate(work: Callable[[Event], object], event: Event) -> float:
    """Return calls per second of CPU time."""
    calls, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < SECONDS:
        for _ in range(50):
            work(event)
        calls += 50
    return calls / spent


def walker(rules: Sequence[Rule]) -> Callable[[Event], list[int]]:
    """Return a matcher that walks every rule's tree, after the same choice of rules by event type."""
    by_type: dict[str, list[tuple[int, Rule]]] = {}
    for place, rule in enumerate(rules):
        for name in rule.event_types:
            by_type.setdefault(name, []).append((place, rule))
    return lambda event: [at for at, rule in by_type.get(event.type, ()) if evaluate(rule.condition, event)]


def compare(title: str, ruleset: Ruleset) -> None:
    """Print one table."""
    rules = ruleset.active_rules
    matchers = compile_matchers(rules, first=False)
    walk = walker(rules)
    print(f"\n{title}: {len(rules)} active rules\n")
    print("| event | rules that match | generated, events/s | tree walk, events/s | ratio |")
    print("|---|--:|--:|--:|--:|")
    for name, fields in EVENTS.items():
        event = Event(fields["evt.type"].decode(), fields)
        match = matchers.get(event.type, lambda _event: ())
        found = list(match(event))
        if found != walk(event):
            raise SystemExit(f"{name}: the two disagree")
        fast, slow = rate(match, event), rate(walk, event)
        print(f"| {name} | {len(found)} | {fast:,.0f} | {slow:,.0f} | {fast / slow:.1f} |")


def loaded(paths: Sequence[Path]) -> Ruleset:
    """Load and compile once for the imports, once for the clock; print the CPU time of the second."""
    files = [RulesFile(path.name, path.read_bytes()) for path in paths]
    Engine.build(load(files).ruleset or Ruleset())
    begin = time.process_time()
    result = load(files)
    if result.ruleset is None:
        raise SystemExit("\n".join(item.message for item in result.errors))
    middle = time.process_time()
    Engine.build(result.ruleset, EngineSettings(rule_matching="all"))
    end = time.process_time()
    count = len(result.ruleset.rules)
    print(f"\n{count} rules: loaded in {middle - begin:.3f} s of CPU, compiled in {end - middle:.3f} s")
    return result.ruleset


def main(arguments: Sequence[str]) -> None:
    """Measure the files given, or the upstream rulesets."""
    if arguments:
        compare(" ".join(arguments), loaded([Path(item) for item in arguments]))
        return
    if not DATA.is_dir():
        raise SystemExit(f"no rulesets in {DATA}: set TERCEL_FALCO_DATA or name rules files")
    compare("upstream stable", loaded([DATA / "rules" / UPSTREAM[0]]))
    compare("upstream stable, incubating and sandbox", loaded([DATA / "rules" / name for name in UPSTREAM]))


if __name__ == "__main__":
    main(sys.argv[1:])
