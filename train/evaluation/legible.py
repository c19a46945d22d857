"""Finds fonts for text of any script in pictures, if such fonts are installed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sernet_edge.runtime.files import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST = "DejaVu Sans"
"""The font in matplotlib: Latin, Greek, Cyrillic and more."""


@contextmanager
def legible(figure: Figure) -> Iterator[None]:
    """Set the fonts of all text in a figure; draw the figure within the block.

    Letters that no installed font has are drawn as boxes, without warnings.
    """
    from matplotlib.text import Text

    for axes in figure.axes:  # makes the labels of the ticks
        axes.get_xticklabels()
        axes.get_yticklabels()
    texts = figure.findobj(Text)
    for text in texts:
        if (shown := readable(text.get_text())) != text.get_text():
            text.set_text(shown)
    letters = {ord(letter) for text in texts for letter in text.get_text() if letter.isprintable()}
    if fallbacks := _fallbacks(letters):
        for text in texts:
            text.set_fontfamily([_FIRST, *fallbacks])
    log = logging.getLogger("matplotlib.font_manager")
    level = log.level
    log.setLevel(logging.ERROR)  # Otherwise it warns about fonts without the wanted weight.
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
            yield
    finally:
        log.setLevel(level)


def _fallbacks(letters: set[int]) -> list[str]:
    """Return the families of a few installed fonts that have most of the letters."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    missing = letters - set(FT2Font(font_manager.findfont(_FIRST)).get_charmap())
    if not missing:
        return []
    found: dict[str, tuple[str, set[int]]] = {}  # by family: a file, and which letters it has
    for path in sorted(font_manager.findSystemFonts()):
        try:
            font = FT2Font(path)
            has = missing & set(font.get_charmap())
        except (OSError, RuntimeError):  # a kind of font that matplotlib does not read
            continue
        if has and len(has) > len(found.get(font.family_name, ("", ()))[1]):
            found[font.family_name] = path, has
    families = []
    while found and missing:
        family = max(found, key=lambda name: len(found[name][1] & missing))
        path, has = found.pop(family)
        if not has & missing:
            break
        font_manager.fontManager.addfont(path)  # matplotlib's list may be older than the font
        families.append(family)
        missing -= has
    return families
