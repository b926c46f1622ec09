"""A token bucket: how often something may happen."""

from __future__ import annotations


class Bucket:
    """Begins full with ``burst`` tokens and gains ``rate`` tokens a second, up to ``burst``."""

    def __init__(self, rate: float, burst: int, now_s: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), now_s

    def take(self, now_s: float) -> bool:
        """Take one token at the monotonic time ``now_s``; ``False`` if there is none."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._at) * self._rate)
        self._at = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
