"""Names of licences: the addresses of their texts, and what they demand."""

from __future__ import annotations

import re

# Licence -> address of its text, apart from those of Creative Commons.
_ADDRESSES = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
}
_CREATIVE_COMMONS = re.compile(r"CC[- ](BY(?:-[A-Z]{2})*)[- ](\d\.\d)")

# Part of the name of a Creative Commons licence -> what it demands.
_TERMS = {
    "NC": "It allows no commercial use, neither of the model nor of firmware that contains it.",
    "BY": "Whoever passes the model on names its makers and the sources of its data, keeps this "
    "notice, links to the licence and says what was changed.",
    "SA": "What is made from the model, such as a taught model, keeps the licence.",
    "ND": "A changed model must not be passed on.",
}


def address(licence: str) -> str:
    """Return the address of a licence's text, such as that of "CC BY-NC-SA 4.0"; "" if unknown."""
    if match := _CREATIVE_COMMONS.fullmatch(licence):
        return f"https://creativecommons.org/licenses/{match[1].lower()}/{match[2]}/"
    return _ADDRESSES.get(licence, "")


def terms(licence: str) -> list[str]:
    """Return what a Creative Commons licence demands, in sentences; empty for other licences.

    They are a summary; the licence decides.
    """
    parts = _parts(licence)
    return [sentence for part, sentence in _TERMS.items() if part in parts]


def forbids_commerce(licence: str) -> bool:
    """Whether a Creative Commons licence allows no commercial use."""
    return "NC" in _parts(licence)


def _parts(licence: str) -> list[str]:
    """Return the parts of a Creative Commons licence's name, such as BY and NC."""
    match = _CREATIVE_COMMONS.fullmatch(licence)
    return match[1].split("-") if match else []
