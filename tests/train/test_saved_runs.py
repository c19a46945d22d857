"""The figures of a cross-validation, computed from its saved predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from saved_run_cases import fold_file, saved_run

from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.evaluation.saved_runs import pooled_figures


def test_folds_of_different_labels_are_not_pooled(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    fold = json.loads((run / "fold-2.json").read_text())
    (run / "fold-2.json").write_text(json.dumps(fold | {"labels": ["a", "b", "d"]}))
    with pytest.raises(SernetError, match="folds with different labels"):
        pooled_figures(run)


def test_the_strict_figure_is_of_the_last_epoch_and_the_other_of_the_best_epochs(
    tmp_path: Path,
) -> None:
    (tmp_path / "run.json").write_text('{"split": "speakers"}')
    fold_file(tmp_path, "1", [0, 0, 1, 2], [[0, 0, 1, 2], [0, 1, 1, 1]])
    fold_file(tmp_path, "2", [0, 1, 1], [[1, 1, 0], [0, 1, 0]])
    figures = pooled_figures(tmp_path)["protocols"]
    strict = figures["strict"]["float"]
    assert strict["wa"] == pytest.approx(4 / 7)
    # Pooled over folds: speaker 2 never says c and still counts for a and b.
    assert strict["uar"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert strict["caveat"] == ""
    assert strict["wa_interval"][0] <= strict["wa"] <= strict["wa_interval"][1]
    assert figures["strict"]["int8"]["wa"] == 1
    assert pooled_figures(tmp_path, only=["2"])["protocols"]["strict"]["float"][
        "wa"
    ] == pytest.approx(2 / 3)
    assert figures["test-epoch"]["float"]["wa"] == pytest.approx(6 / 7)
    assert "chosen on the test speaker" in figures["test-epoch"]["float"]["caveat"]
