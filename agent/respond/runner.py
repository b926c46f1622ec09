"""Runs actions on this host: each at most once, within the limits, written down before it acts.

key seen and ended            its recorded end is the answer
key seen, begun, not ended    the process that ran it died: what became of it is found out, never repeated
key new                       checked, planned, within the budget: begun is on disk, then it acts
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from agent.respond.journal import Entry, Journal, JournalError
from agent.respond.policy import Policy, PolicyError
from agent.respond.protected import Guard
from agent.respond.request import Request, RequestError
from responders.registry import RESPONDERS, UNDO
from responders.shape import TTL, Context, Failed, Json, Refused, ResponderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from responders.shape import Plan, Responder
    from responders.system import System

DONE, FAILED, REFUSED, UNDONE = "done", "failed", "refused", "undone"
RETRY_NS = 10 * 10**9

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Host:
    """What the runner needs of the host; a test gives it another one."""

    system: System
    policy: Callable[[], Policy]
    """Reads the operator's limits, for each action anew. May raise PolicyError."""
    own: Callable[[], frozenset[int]]
    """Pids of the agent's processes."""
    now_ns: Callable[[], int] = time.time_ns
    """Wall clock, nanoseconds since 1970."""
    evidence: Path = Path("/var/lib/tercel/evidence")
    """Folder below which each action keeps what it collects."""


class Runner:
    """Runs actions. Threads may share it; processes share the journal."""

    def __init__(
        self, journal: Journal, host: Host, responders: Mapping[str, Responder] = RESPONDERS
    ) -> None:
        self._journal, self._host = journal, host
        self._responders, self._undos = responders, UNDO
        self._undo_again_ns: dict[str, int] = {}
        """When to try again to undo what could not be undone."""

    def run(self, request: Request) -> Json:
        """Run the action to its end, or return the end that its key had. Raises JournalError."""
        # Whoever asks for a key that runs just now waits here and gets its end.
        with self._journal.locked(f"key {request.key}"):
            known = self._known(request.key)
            return known if known["state"] is not None else self._start(request)

    def get(self, key: str) -> Json:
        """Return how ``key`` ended; state ``None`` if it was never seen. Raises JournalError."""
        with self._journal.locked(f"key {key}"):
            return self._known(key)

    def undo(self, key: str, why: str) -> Json:
        """Undo the action and return its new end; one that is undone already stays so.

        Raises RequestError if there is nothing to undo, Failed if it cannot be done now (it may be
        asked for again), JournalError.
        """
        with self._journal.locked(f"key {key}"):
            answer = self._known(key)
            if answer["state"] == UNDONE:
                return answer
            entry = self._journal.find(key)
            if answer["state"] != DONE or entry is None or entry.begun is None:
                raise RequestError(f"there is nothing to undo: its state is {answer['state']}")
            return self._undo(entry, entry.begun, why)

    def undo_expired(self) -> float | None:
        """Undo what has outlived its time to live. Return the seconds until the next, ``None`` without one.

        What cannot be undone now is logged and left for the next call. Raises JournalError.
        """
        next_ns: int | None = None
        for entry in self._journal.expiring():
            due_ns = max(entry.expires_ns or 0, self._undo_again_ns.get(entry.key, 0))
            if due_ns <= self._host.now_ns() and not self._expire(entry.key):
                due_ns = self._undo_again_ns[entry.key] = self._host.now_ns() + RETRY_NS
            if due_ns > self._host.now_ns():
                next_ns = due_ns if next_ns is None else min(next_ns, due_ns)
        return None if next_ns is None else (next_ns - self._host.now_ns()) / 10**9

    def _expire(self, key: str) -> bool:
        try:
            self.undo(key, "its time to live is over")
        except JournalError:
            raise
        except RequestError as error:
            _log.warning("action %s is not undone: %s", key, error)
        except Exception:  # noqa: BLE001 - the other actions have their time to live as well
            _log.error("action %s is not undone: tried again in %d s", key, RETRY_NS // 10**9, exc_info=True)
            return False
        return True

    def _known(self, key: str) -> Json:
        entry = self._journal.find(key)
        if entry is None:
            return {"key": key, "state": None}
        if entry.undone is not None:
            return _answer(entry.undone)
        return _answer(entry.ended) if entry.ended is not None else self._settle(entry)

    def _undo(self, entry: Entry, begun: Json, why: str) -> Json:
        undo = self._undos.get(begun["responder"])
        if undo is None:
            raise RequestError(f"{begun['responder']} cannot be undone")
        started = self._host.now_ns()
        result = {**undo(entry.before, self._recorded_context(begun)), "why": why}
        end = {"state": UNDONE, "result": result, "started_ns": started, "ended_ns": self._host.now_ns()}
        self._journal.append("undone", entry.key, **end)
        return {"key": entry.key, **end}

    def _start(self, request: Request) -> Json:
        started = self._host.now_ns()
        try:
            responder = self._responder(request)
            context = self._context(request, responder)
            plan = responder.plan(context)
            try:
                result = (
                    plan.already if plan.already is not None else self._act(request, responder, plan, context)
                )
            finally:
                plan.close()
            return self._end(request.key, DONE, result, started)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a responder raises is the action's end
            return self._end(request.key, *_outcome(error), started)

    def _responder(self, request: Request) -> Responder:
        responder = self._responders.get(request.responder)
        if responder is None:
            known = ", ".join(sorted(self._responders))
            raise Refused(f"this agent has no responder {request.responder[:80]!a} (it has: {known})")
        if missing := responder.DESCRIPTION.missing(request.target):
            raise Refused(f"the alert's subject lacks {', '.join(missing)}, which {request.responder} needs")
        return responder

    def _context(self, request: Request, responder: Responder) -> Context:
        return Context(
            target=request.target,
            parameters=responder.DESCRIPTION.check(request.parameters),
            system=self._host.system,
            guard=Guard(self._host.system, self._host.policy(), self._host.own()),
            evidence=self._host.evidence / request.key,
            note=lambda values: self._journal.append("noted", request.key, values=values),
        )

    def _act(self, request: Request, responder: Responder, plan: Plan, context: Context) -> Json:
        with self._journal.locked("budget"):
            self._check_budget()
            now = self._host.now_ns()
            self._journal.append(
                "begun",
                request.key,
                time_ns=now,
                expires_ns=_expires(now, context.parameters),
                responder=request.responder,
                parameters=context.parameters,
                target=request.target,
                alert=request.alert,
                does=plan.does,
                before=plan.before,
            )
        return responder.do(plan, context)

    def _check_budget(self) -> None:
        policy = self._host.policy()
        begun = self._journal.begun_since(self._host.now_ns() - policy.seconds * 10**9)
        if begun >= policy.actions:
            raise Refused(
                f"the host's budget is spent: {begun} actions in the last {policy.seconds} s, "
                f"at most {policy.actions} are allowed"
            )

    def _settle(self, entry: Entry) -> Json:
        """Find out what became of an action whose process died, and write that down as its end."""
        begun = entry.begun or {}
        started = int(begun["time_ns"])
        context = self._recorded_context(begun)
        try:
            responder = self._responders[begun["responder"]]
            result = responder.verify(entry.before, context)
            return self._end(entry.key, DONE, result, started)
        except JournalError:
            raise
        except Exception as error:  # noqa: BLE001 - as in _start
            state, result = _outcome(error)
            if (undo := self._undos.get(begun["responder"])) is not None:
                result["undone"] = undo(entry.before, context)  # half done is worse than not done
            return self._end(entry.key, state, result, started)

    def _recorded_context(self, begun: Json) -> Context:
        """Return the context of an action that was begun: only what the journal names may be touched."""
        return Context(
            evidence=self._host.evidence / begun["key"],
            target=begun["target"],
            parameters=begun["parameters"],
            system=self._host.system,
            guard=lambda _: "the action was begun before",
        )

    def _end(self, key: str, state: str, result: Json, started_ns: int) -> Json:
        end = {"state": state, "result": result, "started_ns": started_ns, "ended_ns": self._host.now_ns()}
        try:
            self._journal.append("ended", key, **end)
        except JournalError as error:
            if state == REFUSED:
                raise
            # It was done: the answer must say so. Without its end on disk the key is settled by verify later.
            result["not_recorded"] = str(error)
        return {"key": key, **end}


def _expires(now_ns: int, parameters: Mapping[str, Any]) -> int | None:
    seconds = parameters.get(TTL) or 0
    return now_ns + int(seconds * 10**9) if seconds else None


def _outcome(error: Exception) -> tuple[str, Json]:
    if isinstance(error, Failed):
        return FAILED, {"reason": str(error), **error.result}
    if isinstance(error, (ResponderError, PolicyError)):
        return REFUSED, {"reason": str(error)}
    _log.error("a responder raised what it should not", exc_info=error)
    return FAILED, {"reason": f"the responder broke: {error!r:.500}"}


def _answer(ended: Mapping[str, Any]) -> Json:
    return {name: ended[name] for name in ("key", "state", "result", "started_ns", "ended_ns")}
