"""The exceptions whose messages the user sees."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LOGIN = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://(?!USER@HOST).*@[^\s'\")\]]*")


def without_logins(text: str) -> str:
    """Return `text` without addresses that contain `@`, since a password may precede it.

    A password may itself contain `/`, `#`, `:` or `@`, so its end is uncertain, and the whole
    address is hidden. (`USER@HOST`, as in a hint, stays.)
    """
    return _LOGIN.sub("(an address with @, not shown)", text)


def guess(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean X?" with the known name that is most like `name`; "" if none is."""
    import difflib  # Only errors need it, so no command loads it at its start.

    close = difflib.get_close_matches(name, known, 1)
    return f" Did you mean {close[0]}?" if close else ""


class SernetError(Exception):
    """An error that the user can correct: it says what is wrong, where, and what to do.

    The command line prints it on one line and exits with 1.

    Args:
        message: What is wrong and where (the file, the option, the value).
        hint: What to do about it, as an imperative or a command to run.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = without_logins(message)
        self.hint = hint
        super().__init__(f"{self.message} ({hint})" if hint else self.message)


class SettingError(SernetError):
    """A setting that contradicts the data or another setting; the command line exits with 2.

    Args:
        setting: The setting's name: that of the command line's option, without dashes.
        message: See `SernetError`.
        hint: See `SernetError`.
    """

    def __init__(self, setting: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.setting = setting

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, str, str]]:
        """Let the error pass between processes."""
        return SettingError, (self.setting, self.message, self.hint)


class ContractError(SernetError):
    """A model's contract is missing, damaged, newer than this program, or contradicts the model."""


class ModelError(SernetError):
    """A model file cannot be read or run."""


class AudioError(SernetError):
    """Audio cannot be read, opened or understood."""
