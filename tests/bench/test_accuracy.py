"""Accuracies and their sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bench_cases import CONTRACT, Document, Shown
from bundle_cases import small_model
from cores import needs_m4

from sernet_edge.bench import command
from sernet_edge.bench.measure import (
    accuracy,
    models,
)
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder


def test_the_cards_accuracy_never_includes_training_speakers(small: Path) -> None:
    strict = {"int8": {"uar": 0.5, "wa": 0.6}, "float": {"uar": 0.7, "wa": 0.8}}
    conversion: Document = {
        "converted": {"uar": 0.99, "wa": 0.98},
        "verified_on": "335 recordings",
        "precision": "int8",
        "label_agreement": 0.9,
        "largest_score_difference": 0.1,
        "mean_score_difference": 0.01,
        "windows": 400,
    }

    def accuracy_of(held_out: list[str], conversion: Document) -> Document:
        provenance = {"holdout_speakers": held_out, "conversion": conversion}
        file = ModelFile.read(small).with_contract(CONTRACT.replace(provenance=provenance))
        return accuracy.section(models.BenchModel(file, ""), None, None)

    held_out = accuracy_of(["09"], conversion)
    assert (held_out["uar"], held_out["how"]) == (0.99, "card")
    on_all = accuracy_of([], {**conversion, "calibration": {"run": "five", "strict": strict}})
    assert (on_all["uar"], on_all["wa"], on_all["how"]) == (0.5, 0.6, "cross-validation")
    assert "other weights" in on_all["source"]
    alone = accuracy_of([], conversion)
    assert "--corpus" in alone["not_measured"] and "uar" not in alone
    for found in (held_out, on_all, alone):
        assert found["agreement"]["label_agreement"] == 0.9


def test_bench_runs_a_corpus_through_every_usable_model_and_says_why_it_skips_others(
    small: Path, small_corpus: Path, tmp_path: Path
) -> None:
    contract = CONTRACT.replace(labels=CORPORA["emodb"].labels)
    slow = contract.replace(sample_rate_hz=8000, mel_high_hz=3800.0)
    (tmp_path / "bare.tflite").write_bytes(ModelFile.read(small).flatbuffer)
    (tmp_path / "able.tflite").write_bytes(small_model(contract))
    (tmp_path / "other.tflite").write_bytes(small_model(slow))
    paths = [tmp_path / "bare.tflite", small, tmp_path / "able.tflite", tmp_path / "other.tflite"]
    corpora = CorpusChoice((CorpusFolder("emodb", small_corpus),))
    speech = command.read_speech(paths, corpora)
    assert speech is not None and speech.rate_hz == CONTRACT.sample_rate_hz
    found = {
        s.name: accuracy.section(s, speech, None) for s in models.given(paths, False, speech, print)
    }
    assert "no contract" in found["bare"]["not_measured"]
    assert "knows no anger" in found["small"]["not_measured"]
    assert found["able"]["how"] == "measured" and 0 <= found["able"]["uar"] <= 1
    assert "8000 Hz" in found["other"]["not_measured"]
    assert command.read_speech(paths[:1], corpora) is None


@needs_m4
def test_an_error_names_a_bad_recording_and_an_option_skips_it(
    bench: Shown, damaged_corpus: Callable[[str], Path], tmp_path: Path
) -> None:
    broken = damaged_corpus("03a01Wa.wav")
    model = tmp_path / "able.tflite"
    model.write_bytes(small_model(CONTRACT.replace(labels=CORPORA["emodb"].labels)))
    arguments = (model, "--corpus", "emodb", broken, "--core", "m4", "--processes", 0)
    done = bench(*arguments)
    assert done.returncode == 1 and "03a01Wa.wav" in done.stderr and "--skip-bad" in done.stderr
    done = bench(*arguments, "--skip-bad", "--json")
    assert done.returncode == 0, done.stderr
    assert "skipped: " in done.stderr and "recordings skipped: 1" in done.stderr
    heard = json.loads(done.stdout)["models"][0]["accuracy"]
    left = len(list(broken.glob("*.wav"))) - 1
    assert heard["how"] == "measured" and heard["source"].startswith(f"{left} recordings of emodb")
