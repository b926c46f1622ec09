"""What the demo prints: steps, commands as a user would type them, results, times."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

T = TypeVar("T")

STEPS = 6


class DemoError(RuntimeError):
    """The demo did not show what it promises. The message says what was missing."""


class Screen:
    """Prints to the terminal, or plainly to a pipe. Text from outside is shown as it is, never as markup."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.step_name = "starting"

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """Announce a step; say afterwards how long it took, in seconds."""
        self.step_name = f"step {number}: {title}"
        self.console.print()
        self.console.print(Rule(Text(f"{number}/{STEPS}  {title}", style="bold"), align="left"))
        began = time.monotonic()
        yield
        self.console.print(Text(f"      {time.monotonic() - began:.1f} s", style="dim"))

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.console.print(Text(text, style=style))

    def command(self, argv: Sequence[str], where: str = "controller", *, background: bool = False) -> None:
        """Print a command as it would be typed, and where."""
        text = shlex.join(argv) + (" &" if background else "")
        self.console.print(Text.assemble((f"{where}# ", "cyan"), (text, "bold")))

    def good(self, text: str) -> None:
        """Print something that was checked and holds."""
        self.console.print(Text.assemble(("  ✓ ", "green"), text))

    def wait(self, what: str, look: Callable[[], T | None], seconds: float, pause: float = 0.5) -> T:
        """Call ``look`` every ``pause`` seconds until it returns something. Raises DemoError.

        It begins with a pause: a command that looks is work for the processors that are being measured.
        """
        deadline = time.monotonic() + seconds
        with self.console.status(Text(what)):
            while time.monotonic() < deadline:
                time.sleep(pause)
                if (found := look()) is not None:
                    return found
        raise DemoError(f"waited {seconds:.0f} s in vain: {what}")
