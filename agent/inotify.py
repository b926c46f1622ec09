"""Learn of changes in folders without polling: inotify(7), which the standard library lacks."""

from __future__ import annotations

import ctypes
import os
import select
from pathlib import Path

_MODIFY, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO = 0x2, 0x8, 0x40, 0x80
_CREATE, _DELETE, _ONLYDIR = 0x100, 0x200, 0x1000000
_MASK = _MODIFY | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR


class Watch:
    """Watches folders for files that appear, change, move or vanish directly in them.

    Where the kernel grants no inotify instance (``user.max_inotify_instances``), :attr:`works` is
    false and :meth:`wait` only sleeps: callers look for themselves after every wait.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def works(self) -> bool:
        """Whether changes end a wait early."""
        return bool(self._fd >= 0)

    def fileno(self) -> int:
        """Return the descriptor that is readable after a change."""
        return int(self._fd)

    def add(self, folder: Path) -> bool:
        """Watch ``folder`` as well; ``False`` if it cannot be watched. Adding it twice changes nothing."""
        return self.works and self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK) >= 0

    def wait(self, timeout_s: float) -> bool:
        """Wait for a change, at most ``timeout_s`` seconds; return whether there was one."""
        ready, _, _ = select.select([self._fd] if self.works else [], [], [], timeout_s)
        return bool(ready) and self.drain()

    def drain(self) -> bool:
        """Forget the changes so far; return whether there were any."""
        changed = False
        try:
            while os.read(self._fd, 65536):
                changed = True
        except BlockingIOError:
            pass
        return changed

    def close(self) -> None:
        """Stop watching."""
        if self.works:
            os.close(self._fd)
            self._fd = -1
