"""The line that says how far a model can be trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import Run

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.trust import INTENDED_USE, card_of, licence, trust


def contract(**provenance: Any) -> Contract:
    return Contract(labels=("a", "b"), mean=(0.0,), std=(1.0,), provenance=provenance)


def calibrated(**protocols: Any) -> dict[str, Any]:
    return {"calibration": protocols}


STRICT = {"int8": {"wa": 0.804, "uar": 0.785}, "float": {"wa": 0.811}}
CROSS = {"cross-corpus": {"int8": {"four": {"mean": {"wa": 0.52}}}}}
BY_CORPUS = {"emodb": {"wa": 0.72}, "nemo": {"wa": 0.41}, "ravdess": {"wa": 0.43}, "odd": {}}
RANGED = {"cross-corpus": {"int8": {"four": {"mean": {"wa": 0.52}, "corpora": BY_CORPUS}}}}


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        (
            {"corpus": "emodb+nemo", "conversion": calibrated(strict=STRICT, **CROSS)},
            "trained on emodb, nemo; right on 52% of four emotions in other corpora "
            "(guessing: 25%)",
        ),
        (
            {"corpus": "emodb+nemo", "conversion": calibrated(**RANGED)},
            "trained on emodb, nemo; right on 52% of four emotions in other corpora "
            "(41% to 72% by corpus; guessing: 25%)",
        ),
        (
            {"corpus": "emodb", "conversion": calibrated(strict=STRICT)},
            "trained on emodb; right on 80% of the recordings of other speakers of the same "
            "corpus; not measured on other corpora",
        ),
        (
            {"corpus": "emodb", "metrics": {"wa": 0.7}, "conversion": {}},
            "trained on emodb; right on 70% of the recordings of a few other speakers of the same "
            "corpus; not measured on other corpora",
        ),
        ({"corpus": "csv", "metrics": {}}, "trained on csv; not measured on other speakers"),
        ({}, "trained on an unknown corpus; not measured on other speakers"),
    ],
)  # fmt: skip
def test_the_line_quotes_the_best_measurement_in_the_contract(
    provenance: dict[str, Any], expected: str
) -> None:
    assert trust(contract(**provenance)) == expected


@pytest.mark.parametrize(
    "conversion", [[], "x", {"calibration": 3}, calibrated(strict={"int8": {"wa": "high"}}),
                   calibrated(strict={"int8": {"wa": 80.4}})]
)  # fmt: skip
def test_a_provenance_of_another_form_counts_as_unmeasured(conversion: Any) -> None:
    said = trust(contract(corpus="x", conversion=conversion, metrics=None))
    assert said == "trained on x; not measured on other speakers"
    assert licence(contract(licence=["MIT"])) == ""


def test_the_shipped_model_s_line_is_in_its_card_and_in_listen(
    shipped_model: Path, sernet_edge: Run
) -> None:
    shipped = ModelFile.read(shipped_model).require_contract()
    strict = shipped.provenance["conversion"]["calibration"]["strict"]["int8"]["wa"]
    line = trust(shipped)
    assert f"{strict:.0%}" in line
    card = card_of(shipped_model)
    assert card is not None and f"How far to trust it: {line}." in card.read_text()
    sample = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"
    result = sernet_edge("listen", "--input", sample, "--quiet")
    assert result.returncode == 0, result.stderr
    assert f"trust   {line}; see {card}" in result.stderr
    assert f"use     {INTENDED_USE}" in result.stderr
    assert f"Its use: {INTENDED_USE}." in card.read_text()
    assert f"licence {licence(shipped)}" in result.stderr
    findings = sernet_edge("doctor", "--json", "--input", sample)
    said = [json.loads(text) for text in findings.stdout.splitlines()]
    found = [f["text"] for f in said if f["check"] in ("trust", "use", "licence")]
    assert found == [line, INTENDED_USE, licence(shipped)]


def test_a_model_without_a_card_file_has_no_card(tmp_path: Path) -> None:
    assert card_of(tmp_path / "m.tflite") is None
