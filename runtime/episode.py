"""A condition that comes and goes, told once for each time that it lasts."""

from __future__ import annotations

# Only after it has been over for so long is the same condition news again.
_CALM_S = 60.0


class Lasting:
    """Says when something has lasted for a while: once per episode.

    Short interruptions neither end an episode nor begin a new one.
    """

    def __init__(self, after_s: float = 0.0, pause_s: float = 0.0) -> None:
        """Watch for a condition.

        Args:
            after_s: How long it must hold to be told.
            pause_s: For how long it may fail to hold meanwhile.
        """
        self._after_s = after_s
        self._pause_s = pause_s
        self._since_s: float | None = None
        self._held_s = 0.0  # when it held last
        self._told = False

    def begins(self, holds: bool, time_s: float) -> bool:
        """Whether this is the moment to tell, given at every step whether the condition holds."""
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
