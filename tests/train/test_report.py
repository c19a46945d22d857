"""`sernet-edge report`: one page with the pictures of saved runs."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from saved_run_cases import saved_run
from support import Run

from sernet_edge.train.evaluation.html_pages import run_pictures
from sernet_edge.train.evaluation.saved_runs import pooled_figures

RUNS = Path(__file__).parents[2] / "benchmarks" / "runs"


def test_a_run_without_answers_by_epoch_has_no_learning_curves() -> None:
    run = RUNS / "search" / "half-seed2"
    assert {"confusion", "speakers", "reliability"} == set(run_pictures(run, pooled_figures(run)))


def test_a_report_is_one_page_with_its_pictures_inside(tmp_path: Path, sernet_edge: Run) -> None:
    runs = [saved_run(tmp_path / "mine"), saved_run(tmp_path / "mixed", split="random")]
    result = sernet_edge("report", *runs, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "out" / "index.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)", page)
    for kind in ("confusion", "speakers", "reliability"):
        picture = (tmp_path / "out" / f"mine-{kind}.png").read_bytes()
        assert base64.b64encode(picture).decode() in page
    assert "44.4% (" in page
    assert "published, optimistic: the same speakers are trained and tested on" in page
    assert not (tmp_path / "out" / "mixed-reliability.png").exists()
    result = sernet_edge("report", tmp_path, "--out", tmp_path / "out")
    assert result.returncode == 1
    assert f"{tmp_path} is not a cross-validation: it holds no run.json" in result.stderr
