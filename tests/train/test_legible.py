"""Pictures with labels of any script, and with names that are not UTF-8."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from sernet_edge.train.evaluation import legible, pictures


def drawn(*labels: str, title: str = "") -> Any:
    """A picture with these labels: float (height, width, 4)."""
    matrix = np.eye(len(labels), dtype=np.int64)
    return image.imread(io.BytesIO(pictures.confusion(matrix, labels, title)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("害怕", "生气"), ("غضب", "خوف"), ("क्रोध", "डर"), ("Ярость", "Страх")],
    ids=["Chinese", "Arabic", "Devanagari", "Cyrillic"],
)
def test_labels_of_any_script_are_drawn_with_their_own_letters(
    one: str, other: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = drawn(one, "x"), drawn(other, "x")
    # Words of one length would be equal boxes, like these letters, which no font has.
    boxes = drawn(chr(0xE0001) * 2, "x"), drawn(chr(0xE0002) * 2, "x")
    assert boxes[0].shape == boxes[1].shape and (boxes[0] == boxes[1]).all()
    assert first.shape != second.shape or (first != second).any()
    assert capfd.readouterr() == ("", "")


def test_the_added_fonts_have_the_letters() -> None:
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    letters = {ord(letter) for letter in "害怕 क्रोध anger"}
    families = legible._fallbacks(letters)
    assert families
    found: set[int] = set(FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap())
    for family in families:
        path = font_manager.findfont(family, fallback_to_default=False)
        found |= set(FT2Font(path).get_charmap())
    assert letters <= found
    assert legible._fallbacks({ord(letter) for letter in "Überraschung, страх, θυμός"}) == []


def test_a_name_that_is_not_utf_8_is_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"m\xff\xe4.tflite")
    assert drawn("a", "b", title=name).any()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_corpus_a_model_and_a_page_may_have_names_that_are_not_utf_8(
    sernet_edge: Any, tmp_path: Path
) -> None:
    import shutil

    from sernet_edge.runtime.models import BOX

    strange = Path(os.fsdecode(bytes(tmp_path) + b"/m\xff\xe4"))
    model, page = strange.with_suffix(".tflite"), strange.with_suffix(".html")
    shutil.copyfile(BOX["emodb"], model)
    sample = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"
    for label in ("anger", "sadness"):
        (strange / label).mkdir(parents=True)
        shutil.copyfile(sample, strange / label / os.fsdecode(b"\xe4" + label.encode() + b".wav"))
    done = sernet_edge("evaluate", model, "--corpus", "folder", strange, "--out", page)
    assert done.returncode == 0, done.stderr
    assert "m\ufffd\ufffd" in page.read_text("utf-8")
    done = sernet_edge("export", model, "--out", strange.with_suffix(".c"))
    assert done.returncode == 0, done.stderr
    done = sernet_edge("bench", model, "--core", "m4", "--processes", 0)
    assert done.returncode == 0, done.stderr
    assert "m\\udcff\\udce4" in done.stdout
