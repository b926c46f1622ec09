"""Commands that ask the running daemon."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import agent
from agent import control
from agent.daemon.terminal import complain, say
from agent.outputs import spool
from agent.paths import Paths
from agent.wire import Refused


def reload(paths: Paths) -> int:
    """Have the daemon load everything again; return the exit code."""
    try:
        answer = control.ask(paths, {"do": "reload"}, timeout_s=180)
    except (control.NoDaemonError, Refused) as error:
        return complain(str(error))
    say(f"reloaded: {answer['rules']} rules, digest {answer['digest'][:12]}")
    return 0


def status(paths: Paths, *, as_json: bool) -> int:
    """Show the daemon's state; return 0 if it runs without a problem, 1 otherwise."""
    try:
        engine = control.ask(paths, {"do": "status"}, timeout_s=10)["engine"]
    except (control.NoDaemonError, Refused) as error:
        engine, reason = None, str(error)
    else:
        reason = ""
    state = {"agent_version": agent.__version__, "engine": engine, "spool": spool.describe(paths.spool)}
    if as_json:
        sys.stdout.write(json.dumps(state, indent=2, sort_keys=True) + "\n")
    elif engine is None:
        return complain(reason)
    else:
        say(_screen(engine, state["spool"]))
    return 0 if engine and not engine["problem"] else 1


def _screen(engine: dict[str, Any], stored: dict[str, Any]) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(engine["since_ns"] / 1e9))
    rows = [
        ("release", engine["release"] or f"none ({engine['config'] or 'waiting for one'})"),
        ("digest", (engine["digest"] or "-")[:12]),
        ("rules", f"{engine['rules']}, for {engine['event_types']} event types, since {since}"),
        ("capture", engine["mode"]),
        ("events", f"{engine['events']}, {engine['drops']} dropped, {engine['failures']} not evaluated"),
        ("alerts", str(engine["alerts"])),
        ("spool", f"epoch {stored['epoch']}, last {stored['last']}, acknowledged {stored['acked']}"),
        ("process", f"{engine['pid']}, {engine['rss_bytes'] / 1e6:.1f} MB"),
    ]
    for name, counts in sorted(engine["outputs"].items()):
        text = ", ".join(f"{count} {key}" for key, count in counts.items())
        rows.append((name, text))
    lost = engine["spool_lost"]
    if lost["unwritten"] or lost["evicted"]:
        rows.append(
            ("spool lost", f"{lost['unwritten']} not written, {lost['evicted']} given up: {lost['error']}")
        )
    rows += [(f"in vain: {key}", ", ".join(names)) for key, names in engine["vain"].items() if names]
    if engine["problem"]:
        rows.append(("problem", engine["problem"]))
    return "\n".join(f"{name:<14} {text}" for name, text in rows)
