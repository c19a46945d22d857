"""The page of other people's models."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from other_models import _MODELS, main


def figures(instructions: int, ram: int) -> dict[str, int]:
    return {"instructions": instructions, "ram_bytes": ram}


def test_the_page_names_each_network_that_is_slower_or_needs_more_than_half_the_ram(
    tmp_path: Path,
) -> None:
    rows = [
        {
            "model": f"folder/{stem}.tflite",
            "cores": {"m4": figures(10, 50), "m55": figures(30 if stem == "vww" else 10, 50)},
            "tflm": dict.fromkeys(("m4", "m55"), figures(20, 90 if stem == "toycar" else 100)),
        }
        for stem in _MODELS
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = CliRunner().invoke(
        main, [str(tmp_path / "rows.json"), "--out", str(tmp_path / "page.md")]
    )
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.md").read_text()
    assert "Cortex-M4: slower than TensorFlow Lite Micro: none." in page
    assert f"Cortex-M55: slower than TensorFlow Lite Micro: {_MODELS['vww']}." in page
    assert page.count(f"Needs more than half of its RAM: {_MODELS['toycar']}.") == 2


def test_a_file_without_a_model_gives_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    done = CliRunner().invoke(
        main, [str(tmp_path / "rows.json"), "--out", str(tmp_path / "page.md")]
    )
    assert done.exit_code != 0
    assert not (tmp_path / "page.md").exists()
