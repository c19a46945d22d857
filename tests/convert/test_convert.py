"""`sernet-edge convert`: int8 throughout, calibration, verification, and the contract."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heard_progress import HeardProgress
from support import Run, killed_at_the_rename, write_wav

from sernet_edge.convert.card import model_card
from sernet_edge.convert.conversion import ConversionSettings, convert
from sernet_edge.convert.temperature import fold_temperature, temperature_from
from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.runtime.interpreter import load
from sernet_edge.runtime.licences import address, terms
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import CorpusFolder
from sernet_edge.train.evaluation.calibration import softmax
from sernet_edge.train.noise import Noise


@pytest.fixture(scope="session")
def small_tflite(
    sernet_edge: Run,
    small_keras: Path,
    small_corpus: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("converted") / "small.tflite"
    result = sernet_edge("convert", small_keras, "--corpus", "emodb", small_corpus, "--out", out)
    assert result.returncode == 0, result.stderr
    assert "same label as Keras" in result.stdout
    return out


def test_every_tensor_of_every_op_is_int8(small_tflite: Path) -> None:
    from sernet_edge.convert.quantize import float_tensors

    assert float_tensors(ModelFile.read(small_tflite)) == []
    model = load(small_tflite)
    assert model.is_int8
    # Features are in -4..4 and use all 256 levels.
    assert model.input_scale * 255 == pytest.approx(8, rel=0.02)


def test_the_graph_has_the_expected_ops_and_no_arithmetic_on_shapes(small_tflite: Path) -> None:
    import tflite

    names = {value: name for name, value in vars(tflite.BuiltinOperator).items()}
    model = tflite.Model.GetRootAs(small_tflite.read_bytes(), 0)
    ops = {names[model.OperatorCodes(i).BuiltinCode()] for i in range(model.OperatorCodesLength())}
    assert ops == {
        "CONV_2D",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    }


def test_the_model_contains_the_contract_and_its_provenance(
    small_tflite: Path, small_keras: Path
) -> None:
    before = ModelFile.read(small_keras).require_contract()
    after = load(small_tflite).contract
    # Conversion adds only the drift limit, from the training's windows.
    assert after.drift_limit > 0
    assert after.replace(drift_limit=0.0).id == before.id
    assert after.provenance["holdout_speakers"] == ["09"]
    assert after.provenance["conversion"]["precision"] == "int8"


def test_the_verification_uses_the_held_out_speaker(small_tflite: Path) -> None:
    report = json.loads(small_tflite.with_suffix(".verify.json").read_text())
    assert report["verified_on"] == "7 recordings of held-out speakers 09"
    assert report["converted"]["utterances"] == 7
    assert 0 <= report["mean_score_difference"] <= report["largest_score_difference"] < 0.1
    assert report["bytes"] == len(ModelFile.read(small_tflite).flatbuffer)


@pytest.mark.slow
def test_held_out_speech_is_not_used_in_the_calibration(
    small_tflite: Path, small_keras: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    other = tmp_path / "corpus"
    shutil.copytree(small_corpus, other)
    rng = np.random.default_rng(0)
    for path in other.glob("09*.wav"):
        write_wav(path, rng.integers(-32768, 32768, 40_000).astype(np.int16))
    out = tmp_path / "small.tflite"
    result = sernet_edge("convert", small_keras, "--corpus", "emodb", other, "--out", out)
    assert result.returncode == 0, result.stderr
    same, here = (ModelFile.read(path).flatbuffer for path in (small_tflite, out))
    assert same == here


@pytest.mark.slow
def test_a_conversion_that_is_killed_leaves_the_earlier_model_as_it_was(
    small_tflite: Path, small_keras: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    out = tmp_path / "small.tflite"
    out.write_bytes(b"precious")
    arguments = ("convert", small_keras, "--corpus", "emodb", small_corpus, "--out", out, "--force")
    killed_at_the_rename(*arguments)
    assert out.read_bytes() == b"precious"
    (unfinished,) = set(tmp_path.iterdir()) - {out}
    assert unfinished.match(".small-*.tflite")
    again = sernet_edge(*arguments)
    assert again.returncode == 0, again.stderr
    assert ModelFile.read(out).flatbuffer == ModelFile.read(small_tflite).flatbuffer


def cross_validation(run: Path, source: Path, temperature: float = 2.0) -> Path:
    """An invented cross-validation of the system of `source`: 600 utterances
    with labels drawn from softmax(logits / temperature)."""
    contract = ModelFile.read(source).require_contract()
    rng = np.random.default_rng(2)
    run.mkdir()
    names = ("corpus", "architecture", "recipe", "initial")
    settings = {name: contract.provenance[name] for name in names}
    settings |= {name: getattr(contract, name) for name in ("features", "level", "window_frames")}
    (run / "run.json").write_text(json.dumps({**settings, "split": "speakers"}))
    for speaker in ("03", "08", "10"):
        logits = rng.normal(0, 6, (200, 7))
        cumulated = softmax(logits / temperature).cumsum(axis=1)
        fold = {
            "fold": speaker,
            "backend": "a backend",
            "processor": "a processor",
            "labels": contract.labels,
            "truth": (cumulated < rng.uniform(size=(200, 1))).sum(axis=1).tolist(),
            "speakers": [speaker] * 200,
            "windows": [1] * 200,
            "float_window_scores": softmax(logits).tolist(),
            "float_scores": softmax(logits).tolist(),
        }
        (run / f"fold-{speaker}.json").write_text(json.dumps(fold))
    return run


@pytest.mark.slow
def test_a_temperature_from_a_cross_validation_is_folded_into_the_model(
    small_keras: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    run = cross_validation(tmp_path / "run", small_keras)
    arguments = (
        "convert",
        small_keras,
        "--corpus",
        "emodb",
        small_corpus,
        "--precision",
        "float32",
    )
    plain, calibrated = tmp_path / "plain.tflite", tmp_path / "calibrated.tflite"
    assert sernet_edge(*arguments, "--out", plain).returncode == 0
    result = sernet_edge(*arguments, "--out", calibrated, "--calibrate-from", run)
    assert result.returncode == 0, result.stderr
    model, its = load(calibrated), load(plain)
    fitted = model.contract.provenance["conversion"]["calibration"]
    assert fitted["temperature"] == pytest.approx(2, rel=0.15)
    assert fitted["run"] == "run"
    assert fitted["ece_after"] < fitted["ece_before"]
    assert fitted["strict"]["float"]["uar"] > 0.5
    assert model.contract.unsure_below == fitted["unsure_below"] > 0
    assert its.contract.unsure_below == 0
    windows = np.random.default_rng(0).normal(size=(5, 184, 40)).astype(np.float32)
    before, after = (np.stack([m.run(window) for window in windows]) for m in (its, model))
    expected = softmax(np.log(before.astype(np.float64)) / fitted["temperature"])
    np.testing.assert_allclose(after, expected, atol=1e-5)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_held_out_speakers_are_not_used_for_the_temperature(
    small_keras: Path, tmp_path: Path
) -> None:
    run = cross_validation(tmp_path / "run", small_keras)
    contract = ModelFile.read(small_keras).require_contract()

    def fitted(*held_out: str) -> dict[str, Any]:
        said = {**contract.provenance, "holdout_speakers": list(held_out)}
        return temperature_from(run, contract.replace(provenance=said), 0.5)

    everybody, without = fitted(), fitted("08")
    assert (everybody["utterances"], without["utterances"]) == (600, 400)
    # Now the run has never tested them.
    (run / "fold-08.json").unlink()
    alone = fitted()
    for name in ("temperature", "unsure_below", "sure_share", "ece_before"):
        assert without[name] == alone[name]
    with pytest.raises(SernetError, match="only speakers that the model held out"):
        fitted("03", "10")


def test_a_cross_validation_of_another_system_is_refused(
    small_keras: Path, small_corpus: Path, tmp_path: Path, in_process: Run
) -> None:
    run = cross_validation(tmp_path / "run", small_keras)
    settings = json.loads((run / "run.json").read_text())
    settings["recipe"]["loss"] = "focal"
    settings["features"] = "mel"
    (run / "run.json").write_text(json.dumps(settings))
    arguments = (
        "convert",
        small_keras,
        "--corpus",
        "emodb",
        small_corpus,
        "--out",
        tmp_path / "m.tflite",
    )
    result = in_process(*arguments, "--calibrate-from", run)
    assert result.returncode == 1
    assert "cross-validation of another system: its features, recipe differ from" in result.stderr
    result = in_process(*arguments, "--calibrate-from", tmp_path / "none")
    assert result.returncode == 1
    assert "run.json" in result.stderr


@pytest.mark.filterwarnings("ignore")
def test_a_temperature_needs_a_dense_layer_with_softmax() -> None:
    import keras

    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Softmax(name="last")(inputs))
    with pytest.raises(SernetError, match="ends in 'last'"):
        fold_temperature(model, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16", "dynamic"])
def test_other_precisions_run_with_the_same_contract(
    precision: str, small_tflite: Path, small_keras: Path, small_corpus: Path, tmp_path: Path,
    sernet_edge: Run,
) -> None:  # fmt: skip
    from sernet_edge.convert.quantize import float_tensors

    out = tmp_path / "small.tflite"
    result = sernet_edge(
        "convert", small_keras, "--corpus", "emodb", small_corpus, "--out", out,
        "--precision", precision, "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["largest_score_difference"] < {"float32": 1e-4, "float16": 0.01}.get(
        precision, 0.1
    )
    model = load(out)
    assert not model.is_int8
    assert model.contract.id == load(small_tflite).contract.id
    assert any("CONV_2D" in name for name in float_tensors(ModelFile.read(out)))
    assert not out.with_suffix(".h").exists()


@pytest.mark.filterwarnings("ignore")  # the command line hides the converter's warnings
@pytest.mark.parametrize("name", ["erf", "sin"])
def test_an_op_that_cannot_be_int8_is_named(name: str) -> None:
    import keras

    from sernet_edge.convert.quantize import convert_model

    inputs = keras.Input((16, 4, 1))
    x = keras.layers.Conv2D(2, 3)(inputs)
    x = keras.layers.Lambda(getattr(keras.ops, name))(x)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    samples = np.random.default_rng(0).normal(size=(8, 16, 4)).astype(np.float32)
    with pytest.raises(SernetError, match=f"(?i){name}"):
        convert_model(model, "int8", samples)


def keras_file(path: Path, frames: int, source: Path, contract: bool = True) -> Path:
    """A small Keras model of `frames` frames, with the contract of `source` or none."""
    import keras

    inputs = keras.Input((frames, 40, 1))
    outputs = keras.layers.Dense(7, "softmax")(keras.layers.Flatten()(inputs))
    keras.Model(inputs, outputs).save(path)
    if contract:
        its = ModelFile.read(source).require_contract()
        path.write_bytes(ModelFile.read(path).with_contract(its).data)
    return path


@pytest.mark.slow
def test_bad_usage_and_bad_files_are_reported_in_one_line(
    small_keras: Path, small_corpus: Path, tmp_path: Path, in_process: Run
) -> None:
    out = tmp_path / "m.tflite"
    folder = ("--corpus", "emodb", small_corpus)
    not_keras = tmp_path / "text.keras"
    not_keras.write_text("hello")
    truncated = tmp_path / "cut.keras"
    truncated.write_bytes(small_keras.read_bytes()[:-5000])
    bare = keras_file(tmp_path / "bare.keras", 184, small_keras, contract=False)
    other = keras_file(tmp_path / "other.keras", 100, small_keras)
    existing = tmp_path / "there.tflite"
    existing.write_bytes(b"precious")
    empty = tmp_path / "empty"
    empty.mkdir()
    training = tmp_path / "training"
    held_out = tmp_path / "held_out"
    for place, speakers in ((training, ("03", "08")), (held_out, ("09",))):
        place.mkdir()
        for path in small_corpus.iterdir():
            if path.name[:2] in speakers:
                shutil.copy(path, place)
    cases: list[tuple[int, str, list[Any]]] = [
        (2, "must end in .tflite", [small_keras, *folder, "--out", tmp_path / "m.bin"]),
        (2, "--corpus", [small_keras, "--out", out]),
        (1, "cannot read the model", [tmp_path / "no.keras", *folder, "--out", out]),
        (1, "has no contract", [not_keras, *folder, "--out", out]),
        (1, "has no contract", [bare, *folder, "--out", out]),
        (1, "cut.keras", [truncated, *folder, "--out", out]),
        (1, "the model has (None, 100, 40, 1)", [other, *folder, "--out", out]),
        (1, "exists already", [small_keras, *folder, "--out", existing]),
        (1, "holds no audio file", [small_keras, "--corpus", "emodb", empty, "--out", out]),
        (1, "does not exist", [small_keras, *folder, "--out", tmp_path / "no" / "m.tflite"]),
        (1, "is left to verify on", [small_keras, "--corpus", "emodb", training, "--out", out]),
        (1, "only of the held-out 09", [small_keras, "--corpus", "emodb", held_out, "--out", out]),
    ]
    for code, message, arguments in cases:
        result = in_process("convert", *arguments)
        assert (result.returncode, message in result.stderr) == (code, True), result.stderr
        # A warning about the incomplete corpus and a line of progress may come before it.
        assert len(result.stderr.strip().splitlines()) <= (4 if code == 2 else 3), result.stderr
    assert existing.read_bytes() == b"precious"
    assert not list(tmp_path.glob("m.*"))


def test_a_model_is_converted_with_the_noise_that_it_was_trained_with(
    small_keras: Path, small_corpus: Path, tmp_path: Path
) -> None:
    for name in ("trained", "other"):
        (tmp_path / name).mkdir()
        hiss = np.random.default_rng(len(name)).normal(0, 500, 16_000).astype(np.int16)
        write_wav(tmp_path / name / "hiss.wav", hiss)
    contract = ModelFile.read(small_keras).require_contract()
    trained = Noise.read(tmp_path / "trained", contract.sample_rate_hz)
    noisy = keras_file(tmp_path / "noisy.keras", 184, small_keras, contract=False)
    provenance = {**contract.provenance, "noise": trained.provenance}
    with_noise = ModelFile.read(noisy).with_contract(contract.replace(provenance=provenance))
    noisy.write_bytes(with_noise.data)
    settings = ConversionSettings(
        noisy, (CorpusFolder("emodb", small_corpus),), tmp_path / "m.tflite"
    )

    for model, noise, message in (
        (noisy, None, "was trained with noise: name that folder"),
        (noisy, tmp_path / "other", "holds other sounds"),
        (small_keras, tmp_path / "trained", "was trained without noise"),
    ):
        with pytest.raises(SettingError, match=message):
            convert(dataclasses.replace(settings, model=model, noise=noise))


@pytest.mark.filterwarnings("ignore")  # the command line hides the converter's warnings
@pytest.mark.slow
def test_a_model_owes_what_the_corpora_of_its_initial_weights_demand(
    small_keras: Path, small_corpus: Path, tmp_path: Path, in_process: Run
) -> None:
    contract = ModelFile.read(small_keras).require_contract()
    start = {"model": "others.keras", "corpus": "nemo+ravdess", "initial": {"corpus": "tess"}}
    model = keras_file(tmp_path / "later.keras", 184, small_keras, contract=False)
    later = contract.replace(provenance={**contract.provenance, "initial": start})
    model.write_bytes(ModelFile.read(model).with_contract(later).data)
    warned = {}
    for licence in ("Apache-2.0", "CC-BY-NC-SA-4.0"):
        out = tmp_path / f"{licence}.tflite"
        result = in_process(
            "convert", model, "--corpus", "emodb", small_corpus, "--out", out, "--licence", licence
        )
        assert result.returncode == 0, result.stderr
        warned[licence] = "Apache-2.0 may allow commercial use" in result.stderr
        if warned[licence]:
            assert "nemo (CC BY-NC-SA 4.0) and ravdess" in result.stderr
            assert "tess (CC BY-NC-ND 4.0)" in result.stderr and "emodb (" not in result.stderr
    assert warned == {"Apache-2.0": True, "CC-BY-NC-SA-4.0": False}

    card = model_card(ModelFile.read(out))
    assert "| started from | others.keras, trained on nemo, ravdess, tess |" in card
    assert all(f"- {name}: {CORPORA[name].citation}." in card for name in ("emodb", "nemo", "tess"))


def test_the_card_quotes_the_contract(shipped_model: Path) -> None:
    file = ModelFile.read(shipped_model)
    contract = file.require_contract().replace(unsure_below=0.6)
    provenance = dict(contract.provenance) | {"holdout_speakers": ["15", "16"]}
    conversion = dict(provenance["conversion"])
    conversion.pop("calibration", None)

    def card(**changes: Any) -> str:
        said = {**provenance, "conversion": conversion, **changes}
        return model_card(file.with_contract(contract.replace(provenance=said)))

    held_out = card()
    assert f"| {conversion['converted']['uar']:.1%} | {conversion['converted']['wa']:.1%} |" in (
        held_out
    )
    assert "not calibrated as probabilities" in held_out
    assert "held-out speakers took no part in training" in held_out
    # The card says if the initial model was trained on one of them.
    start = {"model": "a.keras", "corpus": "emodb", "holdout_speakers": ["16"], "initial": None}
    assert "it started from was trained on 15: these figures are optimistic" in card(initial=start)
    assert "named no\ncross-validation of its recipe" in card(holdout_speakers=[])
    strict = {"uar": 0.811, "uar_interval": [0.75, 0.86], "wa": 0.822, "macro_f1": 0.833}
    fitted = {
        "run": "best", "folds": ["03", "08"], "utterances": 100, "temperature": 0.7,
        "ece_before": 0.091, "ece_after": 0.036, "sure_precision": 0.9, "unsure_below": 0.6,
        "sure_share": 0.66, "strict": {"int8": strict},
    }  # fmt: skip
    text = card(holdout_speakers=[], conversion={**conversion, "calibration": fitted})
    assert "| int8 | 81.1% (75.0% to 86.0%) | 82.2% | 83.3% |" in text
    assert "from 9.1% to 3.6%" in text
    assert "from a top score of 0.6 on: 66.0%" in " ".join(text.split())


def test_the_card_names_each_corpus_with_its_makers_address_and_licence() -> None:
    model = BOX["voices"]
    contract = ModelFile.read(model).require_contract()
    text = " ".join(model_card(ModelFile.read(model)).split())
    for name in ("emodb", "nemo", "ravdess"):
        corpus = CORPORA[name]
        assert f"- {name}: {corpus.citation}." in text
        assert all(f"<{source}>" in text for source in corpus.source.split("; "))
        assert f"Licence: [{corpus.licence}]({address(corpus.licence)})" in text
    assert "the recordings were resampled, cut" in text
    assert all(sentence in text for sentence in terms("CC-BY-NC-SA-4.0"))
    # The accuracy is of four emotions, and says on how many recordings, and for which no result
    # is sure.
    fitted: Any = contract.provenance["conversion"]
    int8 = fitted["calibration"]["cross-corpus"]["int8"]["four"]["corpora"]
    assert all(f"| {name}, {its['utterances']:,} recordings | int8" in text
               for name, its in int8.items())  # fmt: skip
    assert "recordings of fear are left out" in text
    assert "emodb none sure; nemo none sure; ravdess 43% of 19%" in text


@pytest.mark.filterwarnings("ignore")  # the command line hides the converter's warnings
@pytest.mark.slow
def test_a_notebook_converts_as_the_command_does(
    small_keras: Path, small_corpus: Path, small_tflite: Path, tmp_path: Path
) -> None:
    settings = ConversionSettings(
        small_keras, (CorpusFolder("emodb", small_corpus),), tmp_path / "small.tflite"
    )
    progress = HeardProgress()
    converted = convert(settings, progress)
    assert converted.file.data == small_tflite.read_bytes()
    assert [path.name for path in converted.files] == [
        "small.tflite",
        "small.verify.json",
        "small.h",
    ]
    for path in converted.files:
        assert path.read_bytes() == (small_tflite.parent / path.name).read_bytes()
    assert converted.report == json.loads((tmp_path / "small.verify.json").read_text())
    assert converted.contract == load(tmp_path / "small.tflite").contract
    assert "converting to int8, calibrated on 14 windows" in progress.remarks
    with pytest.raises(SettingError, match=r"must end in \.tflite"):
        convert(dataclasses.replace(settings, out=tmp_path / "m.bin"))
