"""Reports a condition once for each time that it lasts."""

from __future__ import annotations

# The condition must be over for this long before it is reported again.
_CALM_S = 60.0


class Lasting:
    """Reports a condition that has lasted for a while, once per episode.

    Short interruptions neither end an episode nor begin a new one.
    """

    def __init__(self, after_s: float = 0.0, pause_s: float = 0.0) -> None:
        """Watch for a condition.

        Args:
            after_s: How long the condition must hold before it is reported.
            pause_s: How long it may be interrupted meanwhile.
        """
        self._after_s = after_s
        self._pause_s = pause_s
        self._since_s: float | None = None
        self._held_s = 0.0  # when the condition last held
        self._told = False

    def begins(self, holds: bool, time_s: float) -> bool:
        """Take the condition at every step; return whether to report it now."""
        if holds:
            self._held_s = time_s
            if self._since_s is None:
                self._since_s = time_s
            lasted = time_s - self._since_s >= self._after_s
            told, self._told = self._told, self._told or lasted
            return lasted and not told
        if time_s - self._held_s > (_CALM_S if self._told else self._pause_s):
            self._since_s, self._told = None, False
        return False
