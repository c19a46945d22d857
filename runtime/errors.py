"""The one exception that a user is meant to read."""

from __future__ import annotations


class SernetError(Exception):
    """Something the user can act on: what was wrong, where, and what to do.

    The command line prints it on one line and exits with 1.

    Args:
        message: What is wrong and where (the file, the option, the value).
        hint: What to do about it, as an imperative or a command to run.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint


class ContractError(SernetError):
    """A model's contract is missing, damaged, newer than this program, or contradicts the model."""


class ModelError(SernetError):
    """A model file cannot be read or run."""


class AudioError(SernetError):
    """Audio cannot be read, opened or understood."""
