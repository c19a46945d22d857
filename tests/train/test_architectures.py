"""Every architecture: trained, converted to int8, run by TensorFlow Lite and its Micro version."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest
from bundle_cases import write_bundle
from numpy.typing import NDArray
from support import Run

from sernet_edge.firmware_export import tflm
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.interpreter import Model, interpreter_module
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.evaluation.seen_speakers import seen_speakers
from sernet_edge.train.models import ARCHITECTURES
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.options import TrainingOptions, training_options
from sernet_edge.train.recipe import Recipe
from sernet_edge.train.recordings import Recording

if TYPE_CHECKING:
    from sernet_edge.train.fit import Fit
    from sernet_edge.train.losses import Objective

# The converter warns; the command line hides that.
pytestmark = [pytest.mark.training, pytest.mark.filterwarnings("ignore")]

# Half a second of speech, so that large networks train quickly.
FRAMES = 32

HAS_LOG_SOFTMAX = {"attention-fcn", "attention-fcn-small"}


@cache
def recordings() -> list[Recording]:
    """Two speakers' low and high tones in noise, 1 s each."""
    rng = np.random.default_rng(5)
    time = np.arange(16_000) / 16_000
    made = []
    for index in range(8):
        label = "low" if index % 3 else "high"
        tone = np.sin(2 * np.pi * (300 if label == "low" else 2500) * time)
        samples = (4000 * tone + rng.normal(0, 300, len(time))).astype(np.int16)
        made.append(Recording(Utterance(Path(f"{index}.wav"), label, str(index // 4)), samples))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of models and checkpoints."""
    return tmp_path_factory.mktemp("models")


def ready(name: str, checkpoint: Path) -> Fit:
    """A training of an architecture with its own losses, new or continued from a checkpoint."""
    from sernet_edge.train.fit import start

    own = ARCHITECTURES[name]
    recipe = Recipe(
        epochs=2,
        batch_size=4,
        average_epochs=2,
        class_weights=True,
        center_loss=own.center_loss,
        reconstruction=own.reconstruction,
    )
    frames = own.receptive_frames or FRAMES
    contract = new_contract(("high", "low"), own.level, frames, own.features).replace(**own.rows)
    return start(contract, recipe, recordings(), 1, checkpoint, name)


@cache
def train(folder: Path, name: str) -> Path:
    """Train an architecture for two epochs; keep the checkpoint beside the model."""
    path = folder / f"{name}.keras"
    fit = ready(name, path.with_suffix(".npz"))
    fit.run(lambda epoch, entry: None)
    fit.finish()
    fit.model.save(path)
    its = {"architecture": name, "corpus": "tones", "holdout_speakers": ["1"]}
    contract = fit.windows.contract.replace(provenance=its)
    path.write_bytes(ModelFile.read(path).with_contract(contract).data)
    return path


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trained(request: pytest.FixtureRequest, folder: Path) -> Path:
    """A model file of one architecture after two epochs."""
    return train(folder, request.param)


def windows_of(path: Path) -> NDArray[np.float32]:
    """The windows of all recordings, float32 (windows, frames, features)."""
    from sernet_edge.train.windows import Windows

    contract = ModelFile.read(path).require_contract()
    windows = Windows(contract)
    return np.concatenate([windows.test_windows(recording) for recording in recordings()])


@pytest.fixture(scope="module")
def converted(trained: Path) -> bytes:
    """The trained model as int8, with its contract."""
    from sernet_edge.convert.quantize import convert_model
    from sernet_edge.train.models.saved import load_saved

    contract = ModelFile.read(trained).require_contract()
    flatbuffer = convert_model(load_saved(trained, contract), "int8", windows_of(trained))
    return ModelFile("model", flatbuffer).with_contract(contract).data


def reference_outputs(data: bytes, windows: NDArray[np.int8]) -> NDArray[np.int8]:
    """The outputs of TensorFlow Lite's reference kernels for int8 windows."""
    module = interpreter_module()
    interpreter = module.Interpreter(
        model_content=data, experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for window in windows:
        interpreter.set_tensor(source["index"], window[None, :, :, None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0].copy())
    return np.stack(outputs)


def test_a_system_becomes_int8_with_the_same_scores_everywhere(
    trained: Path, converted: bytes
) -> None:
    from sernet_edge.convert.quantize import float_tensors

    assert float_tensors(ModelFile(trained.name, converted)) == []
    model = Model(ModelFile(trained.name, converted))
    assert model.is_int8
    features = windows_of(trained)
    windows = np.stack([model.quantise(window) for window in features])
    expected = reference_outputs(converted, windows)
    ran = tflm.run(ModelFile(trained.name, converted), windows.reshape(len(windows), -1))
    np.testing.assert_array_equal(ran.outputs, expected)
    ours = np.stack([model.run_int8(window) for window in windows])
    # The optimised LOG_SOFTMAX uses a table of exponentials and is sometimes one step off.
    tolerance = 2 if trained.stem in HAS_LOG_SOFTMAX else 0
    assert np.abs(ours.astype(int) - expected).max() <= tolerance
    # The scores are close to Keras's.
    from sernet_edge.train.models.saved import load_saved

    keras_model = load_saved(trained, model.contract)
    theirs = np.asarray(keras_model.predict(features[..., None], verbose=0))
    np.testing.assert_allclose((expected + 128) / 256, theirs, atol=0.05)


def test_the_native_engine_has_the_same_scores(
    trained: Path, converted: bytes, tmp_path: Path
) -> None:
    # The golden scores of the bundle's self-test are those of the reference kernels.
    bundle = write_bundle(tmp_path, converted)
    done = subprocess.run(
        ["make", "check", "CFLAGS=-O0"], cwd=bundle, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    # Two labels, and two windows, or four if windows share rows.
    scores = 2 * (4 if ARCHITECTURES[trained.stem].stride_frames else 2)
    assert f"scores that differ: 0 of {scores}\n" in done.stdout


def test_attention_is_the_papers_formula() -> None:
    import keras

    from sernet_edge.train.models.attention_fcn import attend

    rng = np.random.default_rng(2)
    positions = rng.normal(size=(3, 5, 4, 6)).astype(np.float32)
    inputs = keras.Input((None, 4, 6))
    model = keras.Model(inputs, attend(inputs))
    # Large enough that the attention is far from even.
    weights = [rng.normal(0, 2, w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    w, b, u = (values.astype(np.float64) for values in weights)
    w, u = w[0, 0], u[0, 0, :, 0]
    for found, a in zip(np.asarray(model(positions)), positions.reshape(3, 20, 6), strict=True):
        e = np.tanh(a @ w + b) @ u
        alpha = np.exp(0.3 * e) / np.exp(0.3 * e).sum()
        assert alpha.max() > 3 * alpha.min()
        np.testing.assert_allclose(found, alpha @ a, rtol=1e-4, atol=1e-5)


def test_the_attention_network_accepts_speech_of_any_length() -> None:
    from sernet_edge.train.models import build

    contract = new_contract(("high", "low"), "window", FRAMES, "spectrogram")
    model = build("attention-fcn-small", contract, 0.9)
    assert model.input_shape == (None, None, contract.feature_count, 1)
    rng = np.random.default_rng(0)
    for frames in (1, 33, 200):
        window = rng.normal(size=(2, frames, contract.feature_count, 1)).astype(np.float32)
        np.testing.assert_allclose(np.asarray(model(window)).sum(axis=1), 1, rtol=1e-5)


def test_centers_move_and_distances_are_measured_as_wen_et_al_do() -> None:
    from sernet_edge.train.losses import CenterDistance

    rng = np.random.default_rng(4)
    embeddings = rng.normal(size=(6, 3)).astype(np.float32)
    labels = np.array([0, 0, 2, 2, 2, 0])
    targets = np.eye(4, dtype=np.float32)[labels]
    layer = CenterDistance()
    layer.build([(None, 3), (None, 4)])
    centers = rng.normal(size=(4, 3)).astype(np.float32)
    layer.centers.assign(centers)
    found = np.asarray(layer([embeddings, targets], training=True))
    expected = [
        0.5 * ((x - centers[y]) ** 2).sum() for x, y in zip(embeddings, labels, strict=True)
    ]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
    for j in range(4):
        own = embeddings[labels == j]
        delta = (centers[j] - own).sum(axis=0) / (1 + len(own))
        np.testing.assert_allclose(layer.centers[j], centers[j] - 0.5 * delta, rtol=1e-5)
    moved = np.asarray(layer.centers)
    layer([embeddings, targets], training=False)
    np.testing.assert_array_equal(layer.centers, moved)


def objective(**weights: float) -> Objective:
    """The objective of a small model with 8 frames and 8 features, without randomness."""
    import keras

    from sernet_edge.train.losses import Objective

    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 1))
    embedding = keras.layers.Dense(16, name="embedding")(keras.layers.Flatten()(inputs))
    outputs = keras.layers.Dense(2, "softmax", name="scores")(embedding)
    recipe = Recipe(learning_rate=3e-3, weight_decay=0, **weights)  # type: ignore[arg-type]
    return Objective(keras.Model(inputs, outputs), 8, recipe)


@pytest.mark.parametrize("name", ["center_loss", "reconstruction"])
def test_an_additional_loss_is_part_of_the_total_loss_and_falls(name: str) -> None:
    from sernet_edge.train.losses import Batch

    rng = np.random.default_rng(6)
    # Few patterns, so that an embedding can represent them.
    inputs = (rng.normal(size=(32, 3)) @ rng.normal(size=(3, 64))).reshape(32, 8, 8, 1)
    labels = np.eye(2, dtype=np.float32)[rng.integers(0, 2, 32)]
    batch = Batch(inputs.astype(np.float32), labels, labels)
    alone, further = objective(), objective(**{name: 2.0})
    entries = [further.step(batch) for _ in range(150)]
    key = "center_loss" if name == "center_loss" else "reconstruction_loss"
    assert entries[0]["scores_loss"] == pytest.approx(alone.step(batch)["loss"], rel=1e-5)
    for entry in (entries[0], entries[-1]):
        assert entry["loss"] == pytest.approx(entry["scores_loss"] + 2 * entry[key], rel=1e-5)
    assert entries[-1][key] < 0.3 * entries[0][key]


def test_the_model_itself_has_neither_centers_nor_decoder() -> None:
    alone, further = objective(), objective(center_loss=0.1, reconstruction=0.1)
    more = {weight.path for weight in further.trained.weights}
    assert {"center/centers", "decoder_end/kernel"} <= more
    assert {weight.path for weight in alone.trained.weights} < more
    assert further.trained.get_layer("scores").output.shape == (None, 2)


def test_balanced_weights_give_labels_the_same_total_weight() -> None:
    from sernet_edge.train.losses import balanced_weights

    targets = np.eye(4, dtype=np.float32)[[0] * 6 + [1] * 2 + [3]]
    weights = balanced_weights(targets)
    np.testing.assert_allclose(targets.sum(axis=0) * weights, [3, 3, 0, 3])
    assert (targets @ weights).mean() == pytest.approx(1)


@pytest.fixture(scope="module")
def other(folder: Path) -> Path:
    """A model to start from, of the corpus "tones" with its speaker 1 held out."""
    return train(folder, "light-sernet-half")


def test_a_training_starts_from_another_models_weights(other: Path, tmp_path: Path) -> None:
    from sernet_edge.train.fit import start
    from sernet_edge.train.initial_weights import InitialWeights
    from sernet_edge.train.models.saved import load_saved

    initial = InitialWeights.read(other)
    theirs = load_saved(other, initial.contract)

    def began(labels: tuple[str, ...], name: str) -> Fit:
        contract = new_contract(labels, "window", FRAMES, "mfcc")
        path = tmp_path / "none.npz"
        return start(contract, Recipe(epochs=1), recordings(), 2, path, name, initial)

    same = began(("high", "low"), "light-sernet-half")
    assert same.not_taken == []
    for ours, expected in zip(same.model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)
    # Different labels, or the same in another order, have another meaning.
    assert began(("high", "low", "none"), "light-sernet-half").not_taken == ["scores"]
    assert began(("low", "high"), "light-sernet-half").not_taken == ["scores"]
    # A related architecture gets the layers before and after its separable convolutions.
    related = began(("high", "low"), "light-sernet-ds-half")
    assert {"path_time_conv", "path_time_norm", "mix_conv", "scores"} <= set(related.taken)
    assert {"block1_each_conv", "block1_mix_conv"} <= set(related.not_taken)


def test_initial_weights_that_fit_no_layer_are_refused(other: Path, tmp_path: Path) -> None:
    from sernet_edge.train.fit import start
    from sernet_edge.train.initial_weights import InitialWeights

    contract = new_contract(("high", "low", "none"), "window", FRAMES, "spectrogram")
    with pytest.raises(SernetError, match="no layer of .*half.keras, .* in attention-fcn-small"):
        start(
            contract,
            Recipe(epochs=1),
            recordings(),
            1,
            tmp_path / "c.npz",
            "attention-fcn-small",
            InitialWeights.read(other),
        )


def test_seen_speakers_include_those_of_all_initial_models(other: Path, tmp_path: Path) -> None:
    from sernet_edge.train.initial_weights import InitialWeights

    first = InitialWeights.read(other)
    assert seen_speakers(first.provenance, "tones", ["1", "2"]) == ["2"]
    assert seen_speakers(first.provenance, "emodb", ["1", "2"]) == []
    # A second model, of another corpus, with the first model's weights.
    its = {"corpus": "emodb", "holdout_speakers": ["03"], "initial": first.provenance}
    contract = first.contract.replace(provenance=its)
    second = tmp_path / "second.keras"
    second.write_bytes(ModelFile("second.keras", b"").with_contract(contract).data)
    assert seen_speakers(InitialWeights.read(second).provenance, "tones", ["1", "2"]) == ["2"]
    assert seen_speakers(InitialWeights.read(second).provenance, "emodb", ["03", "08"]) == ["08"]


def test_the_parts_of_a_corpus_have_the_same_speakers() -> None:
    scripted = {"corpus": "iemocap-script", "holdout_speakers": ["Ses05M"]}
    assert seen_speakers(scripted, "iemocap-impro", ["Ses01F", "Ses05M"]) == ["Ses01F"]
    assert seen_speakers(scripted, "iemocap", ["Ses01F", "Ses05M"]) == ["Ses01F"]
    assert seen_speakers(scripted, "csv", ["Ses01F"]) == []


def test_a_cross_validation_refuses_initial_weights_trained_on_its_test_speakers(
    other: Path, small_corpus: Path, tmp_path: Path, sernet_edge: Run
) -> None:
    contract = ModelFile.read(other).require_contract()
    its = {"corpus": "emodb", "holdout_speakers": ["09"]}
    start = tmp_path / "start.keras"
    start.write_bytes(
        ModelFile("start.keras", b"").with_contract(contract.replace(provenance=its)).data
    )
    out = tmp_path / "run"
    result = sernet_edge(
        "cross-validate", "--corpus", "emodb", small_corpus, "--init", start, "--out", out
    )
    assert result.returncode == 1
    assert "start.keras was trained on test speakers of this run: 03, 08" in result.stderr
    assert not out.exists()


def test_every_architecture_is_listed_by_name(sernet_edge: Run) -> None:
    result = sernet_edge("train", "--list-architectures")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(ARCHITECTURES)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", ("light-sernet", "mfcc", 0.0, 0.0)),
        ("--architecture attention-fcn", ("attention-fcn", "spectrogram", 0.0, 0.0)),
        ("--architecture multitask-cnn", ("multitask-cnn", "mfcc", 0.01, 0.1)),
        (
            "--architecture multitask-cnn --center-loss 0 --features spectrogram",
            ("multitask-cnn", "spectrogram", 0.0, 0.1),
        ),
        ("--features mel --reconstruction 0.5", ("light-sernet", "mel", 0.0, 0.5)),
    ],
)
def test_settings_that_are_not_given_are_the_architecture_s(
    options: str, expected: tuple[str, str, float, float]
) -> None:
    said = []

    @click.command()
    @training_options
    def command(options: TrainingOptions) -> None:
        settings = options.model_settings()
        recipe = settings.recipe
        said.append(
            (
                settings.architecture,
                settings.features,
                recipe.center_loss,
                recipe.reconstruction,
            )
        )

    command(["--corpus", "emodb", ".", *options.split()], standalone_mode=False)
    assert said == [expected]


def test_other_initial_weights_make_another_run(other: Path) -> None:
    from sernet_edge.train.fit import Fit
    from sernet_edge.train.initial_weights import InitialWeights

    checkpoint = other.with_suffix(".npz")
    same = ready("light-sernet-half", checkpoint)
    assert len(same.history) == 2
    with pytest.raises(SernetError, match="run with other settings"):
        Fit(same.model, same.windows, recordings(), 1, checkpoint, InitialWeights.read(other))


def test_a_stopped_run_with_every_loss_continues_to_the_same_weights(
    folder: Path, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(epoch: int, entry: dict[str, float]) -> None:
        raise Stop

    whole = train(folder, "multitask-cnn").with_suffix(".npz")
    stopped = tmp_path / "stopped.npz"
    with pytest.raises(Stop):
        ready("multitask-cnn", stopped).run(stop)
    resumed = ready("multitask-cnn", stopped)
    assert len(resumed.history) == 1
    resumed.run(lambda epoch, entry: None)
    with np.load(whole) as expected, np.load(stopped) as found:
        # Centers, decoder, the optimiser's moments of both, and the history.
        assert set(found) == set(expected)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
