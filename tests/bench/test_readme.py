"""README's figures of the engine equal those of the saved benchmark of the shipped models."""

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
def measured() -> dict[str, dict[str, Any]]:
    """The sections of the shipped models in the saved benchmark, by the models' names."""
    models = read_document(ROOT / "benchmarks" / "bench.json")["models"]
    by_file = {model["name"]: model for model in models}
    return {name: by_file[path.stem] for name, path in BOX.items()}


@pytest.mark.parametrize("name", BOX)
def test_the_saved_benchmark_measured_the_shipped_models(
    name: str, measured: dict[str, dict[str, Any]]
) -> None:
    assert measured[name]["contract_id"] == load(BOX[name]).contract.id
    assert measured[name]["size"]["file_bytes"] == BOX[name].stat().st_size


@pytest.mark.parametrize(("core", "called"), [("m4", "Cortex-M4"), ("m55", "Cortex-M55")])
def test_the_table_has_the_measured_figures(
    core: str, called: str, readme: str, measured: dict[str, dict[str, Any]]
) -> None:
    for name in ("voices", "emodb"):
        native = measured[name]["cores"][core]
        assert (
            f"| `{name}`, native, {called} | {native['network']['ram_bytes']:,} B "
            f"| {native['ram_bytes']:,} B | {native['network']['code_bytes']:,} B "
            f"| {native['instructions'] / 1e6:.1f} M | {native['per_second'] / 1e6:.1f} M |"
        ) in readme
    tflm = measured["emodb"]["tflm_cores"][core]
    assert (
        f"| `emodb`, TensorFlow Lite Micro with CMSIS-NN, {called} (saved run) "
        f"| {tflm['ram_bytes']:,} B | | {tflm['code_bytes']:,} B "
        f"| {tflm['instructions'] / 1e6:.1f} M | |"
    ) in readme


def test_the_first_screen_rounds_the_figures_of_a_cortex_m4(
    readme: str, measured: dict[str, dict[str, Any]]
) -> None:
    voices, emodb = (measured[name]["cores"]["m4"] for name in ("voices", "emodb"))
    tflm = measured["emodb"]["tflm_cores"]["m4"]
    assert (
        f"takes {voices['ram_bytes'] / 1e3:.1f} KB of RAM in total on a Cortex-M4, and "
        f"{voices['per_second'] / 1e6:.1f} million instructions per second of speech"
    ) in readme
    assert (
        f"network takes {emodb['network']['ram_bytes'] / 1e3:.1f} KB of RAM; TensorFlow Lite Micro "
        f"takes {tflm['ram_bytes'] / 1e3:.0f} KB and "
        f"{tflm['instructions'] / emodb['instructions']:.1f} times as many instructions"
    ) in readme


def test_the_accuracy_of_each_model_is_that_of_its_cross_validation(readme: str) -> None:
    voices, voices_full, emodb, emodb_half = (
        load(BOX[name]).contract.provenance["conversion"]["calibration"]
        for name in ("voices", "voices-full", "emodb", "emodb-half")
    )
    unheard, unheard_full = (
        found["cross-corpus"]["int8"]["four"]["mean"] for found in (voices, voices_full)
    )
    each = [its["wa"] for its in voices["cross-corpus"]["int8"]["four"]["corpora"].values()]
    assert (
        f"{unheard['wa']:.0%} of four emotions ({min(each):.0%} to {max(each):.0%} by corpus), in "
        "another language and room"
    ) in readme
    assert f"its arousal, calm to agitated, is right in {unheard['arousal']:.0%}." in readme
    assert f"{emodb['strict']['int8']['wa']:.0%} of other actors of the same studio" in readme
    assert (
        f"`voices-full` has twice the channels ({unheard_full['wa']:.0%}), "
        f"`emodb-half` half of them ({emodb_half['strict']['int8']['wa']:.0%})."
    ) in readme
