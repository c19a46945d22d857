"""The page of ablations, computed from the saved predictions."""

from __future__ import annotations

import json
from pathlib import Path

import ablations
import pytest
from saved_run_cases import fold_file, saved_run

from sernet_edge.runtime.errors import SernetError


def test_ablations_are_compared_with_a_base_only_on_the_searchs_speakers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablations, "SEARCH", ("1", "2"))
    saved_run(tmp_path / "runs" / "base")
    other = saved_run(tmp_path / "runs" / "other", recipe={"loss": "focal", "epochs": 3})
    fold_file(other, "1", [0, 0, 1, 2], [[0, 0, 0, 0]], int8=[1, 0, 1, 2])
    again = {"loss": "focal", "epochs": 3}
    saved_run(tmp_path / "runs" / "again", seed=2, recipe=again)
    fold_file(tmp_path / "runs" / "base", "12", [0], [[1]], int8=[1])  # does not count
    remarked = saved_run(tmp_path / "runs" / "remarked", recipe=again)
    run = json.loads((remarked / "run.json").read_text())
    (remarked / "run.json").write_text(json.dumps(run | {"remark": "with another code"}))
    failed = saved_run(tmp_path / "runs" / "failed", recipe={"loss": "none", "epochs": 2})
    (failed / "fold-2.json").unlink()
    unconverted = saved_run(tmp_path / "runs" / "unconverted", recipe={"epochs": 4})
    for path in unconverted.glob("fold-*.json"):
        fold = json.loads(path.read_text())
        del fold["int8_scores"]
        path.write_text(json.dumps(fold))
    page = tmp_path / "ablations.md"
    arguments = [str(tmp_path / "runs"), "--base", "base", "--out", str(page)]
    ablations.main(arguments, standalone_mode=False)
    text = page.read_text()
    assert text.startswith("# Ablations")
    assert "\nThis page compares 5 configurations." in text
    # By hand: the base is all right; the other has 2 of a's 3 right in one of its two runs.
    lost = 100 * (1 / 3) / 3 / 2
    assert "| nothing: the base | 2 | 1 | 44.44 | 100.00 | +0.00 | 100.00 | base |" in text
    assert f"| {100 - lost:.2f} (88.9 to 100.0) | {-lost:+.2f} | " in text
    assert "| epochs 2 → 3 | 3 | 2 | " in text
    assert "| epochs 2 → 3; with another code | 3 | 1 | 44.44 | " in text
    # Compared with the float base, from the same predictions.
    assert "| 4 | 1 | 44.44 | not converted | +0.00 | 57.14 | unconverted |" in text
    assert "no result: finished folds 1 | | | | failed |" in text
    assert "1 of the configurations were stopped before" in text
    with pytest.raises(SernetError, match="no run 'none'"):
        ablations.main([*arguments[:2], "none", *arguments[3:]], standalone_mode=False)
