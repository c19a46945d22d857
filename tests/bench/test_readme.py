"""README's figures of the engine are those of the saved benchmark of the model that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sernet_edge.bench.document import read_document
from sernet_edge.runtime.interpreter import load
from sernet_edge.runtime.models import BOX

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def readme() -> str:
    return " ".join((ROOT / "README.md").read_text().split())


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The section of the model that ships in the saved benchmark, sizes of its firmware in it."""
    (found,) = (
        model
        for model in read_document(ROOT / "benchmarks" / "bench.json")["models"]
        if model["name"] == "emodb_light_sernet_int8"
    )
    return found


def test_the_saved_benchmark_is_of_the_model_that_ships(
    shipped: dict[str, Any], shipped_model: Path
) -> None:
    assert shipped["contract_id"] == load(shipped_model).contract.id
    assert shipped["size"]["file_bytes"] == shipped_model.stat().st_size


@pytest.mark.parametrize(("core", "name"), [("m4", "Cortex-M4"), ("m55", "Cortex-M55")])
def test_the_table_has_the_measured_figures(
    core: str, name: str, readme: str, shipped: dict[str, Any]
) -> None:
    native, tflm = shipped["cores"][core], shipped["tflm_cores"][core]
    assert (
        f"| native, {name} | {native['network']['ram_bytes']:,} B | {native['ram_bytes']:,} B "
        f"| {native['network']['code_bytes']:,} B | {native['instructions'] / 1e6:.1f} M |"
    ) in readme
    assert (
        f"| TensorFlow Lite Micro with CMSIS-NN, {name} (saved run) | {tflm['ram_bytes']:,} B | "
        f"| {tflm['code_bytes']:,} B | {tflm['instructions'] / 1e6:.1f} M |"
    ) in readme


def test_the_first_screen_rounds_the_figures_of_a_cortex_m4(
    readme: str, shipped: dict[str, Any]
) -> None:
    native, tflm = shipped["cores"]["m4"], shipped["tflm_cores"]["m4"]
    assert (
        f"needs {native['network']['ram_bytes'] / 1e3:.1f} KB of RAM on a Cortex-M4 where "
        f"TensorFlow Lite Micro needs {tflm['ram_bytes'] / 1e3:.0f} KB, and "
        f"{tflm['instructions'] / native['instructions']:.1f} times fewer instructions"
    ) in readme


def test_what_the_models_hear_is_what_their_cross_validations_reached(readme: str) -> None:
    voices, emodb = (
        load(BOX[name]).contract.provenance["conversion"]["calibration"]
        for name in ("voices", "emodb")
    )
    unheard = voices["cross-corpus"]["int8"]["four"]["mean"]
    assert f"{unheard['wa']:.0%} of four emotions, in another language and room" in readme
    assert f"its arousal, calm to agitated, is right in {unheard['arousal']:.0%}." in readme
    assert f"{emodb['strict']['int8']['wa']:.0%} of other actors of the same studio" in readme
