"""The page of results from the saved predictions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import results
from saved_run_cases import fold_file, saved_run


def test_the_figures_come_from_the_predictions(tmp_path: Path) -> None:
    saved_run(tmp_path / "runs" / "mine")
    saved_run(tmp_path / "runs" / "mixed", split="random")
    page = tmp_path / "results.md"
    results.main([str(tmp_path / "runs"), "--out", str(page)], standalone_mode=False)
    text = page.read_text()
    assert (
        "| light-sernet, focal, 2 epochs, 2 of 10 speakers, seed 1 | strict | float | 44.44 ("
        in text
    )
    assert "| a | 2 | 1 | 0 | 66.7% |" not in text  # the int8 model's matrix
    assert "| a | 3 | 0 | 0 | 100.0% |" in text
    assert "| mine | 7 | 3 | 0 | 3 | +42.86 |" in text  # right in int8, wrong in float
    for line in text.splitlines():
        if "| published |" in line or "| test-epoch |" in line:
            assert "optimistic: the" in line
    assert "published (optimistic: the same speakers are trained and tested on" in text
    assert (tmp_path / "pictures" / "mine-speakers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_page_combines_seeds_of_one_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_SPEAKERS", 2)
    monkeypatch.setattr(results, "UNTOUCHED", ("2",))
    runs, page = tmp_path / "runs", tmp_path / "results.md"
    saved_run(runs / "first")
    second = saved_run(runs / "second", seed=2)
    fold_file(second, "1", [0, 0, 1, 2], [[0, 0, 0, 0]], int8=[1, 0, 1, 2])
    saved_run(runs / "other", seed=3, recipe={"loss": "focal", "epochs": 3})
    results.main([str(runs), "--out", str(page)], standalone_mode=False)
    # By hand: the first seed is all right; the second has 2 of a's 3 right, 6 of all 7.
    assert (
        "| light-sernet, focal, 2 epochs | 2 | 94.44 (88.9 to 100.0) | 100.00 (100.0 to 100.0) "
        "| 92.86 (85.7 to 100.0) |" in page.read_text()
    )
    shutil.rmtree(second)
    results.main([str(runs), "--out", str(page)], standalone_mode=False)
    assert "From seed to seed" not in page.read_text()
