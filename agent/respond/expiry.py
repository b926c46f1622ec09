"""Keeps the times to live: undoes actions when their time is over, whoever began them and whenever."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from agent.respond.journal import JournalError

if TYPE_CHECKING:
    from agent.respond.runner import Runner

POLL_SECONDS = 1.0
"""How soon an action is noticed that another process has begun."""
_log = logging.getLogger(__name__)


class Expiry(threading.Thread):
    """Watches the journal until ``over`` is set. Several may watch: each action is undone once."""

    def __init__(self, runner: Runner, over: threading.Event) -> None:
        super().__init__(name="expiry", daemon=True)
        self._runner, self._over = runner, over

    def run(self) -> None:
        """Undo what is due, and wait for the next."""
        said = ""
        while not self._over.is_set():
            left = None
            try:
                left = self._runner.undo_expired()
            except JournalError as error:
                if str(error) != said:  # once, not every second
                    said = str(error)
                    _log.error("times to live are not kept: %s", error)
            self._over.wait(POLL_SECONDS if left is None else min(left, POLL_SECONDS))
