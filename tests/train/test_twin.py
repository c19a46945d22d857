"""The twin that trains in place of a model equals it, except for rounding and length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from short_training import SHORT, SHORT_CONTRACT, ready

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SettingError
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.models import ARCHITECTURES, build
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingWindows

if TYPE_CHECKING:
    import keras

    from sernet_edge.train.losses import Batch

pytestmark = pytest.mark.training

# Long enough to have rows left after the attention network's pooling.
CONTRACT = SHORT_CONTRACT.replace(window_frames=64)


def made(architecture: str) -> keras.Model:
    import keras

    keras.utils.set_random_seed(3)
    own = ARCHITECTURES[architecture]
    frames = own.receptive_frames or CONTRACT.window_frames
    contract = CONTRACT.replace(
        features=own.features,
        level=own.level,
        window_frames=frames,
        mean=(0.0,),
        std=(1.0,),
        **own.rows,
    )
    return build(architecture, contract, batch_norm_momentum=0.9)


def streaming_contract(**changes: int) -> Contract:
    own = ARCHITECTURES["light-sernet-stream-quarter"]
    rows = {**own.rows, "window_frames": own.window_frames, **changes}
    return CONTRACT.replace(level="none", mean=(0.0,), std=(1.0,), **rows)


def batch(model: keras.Model, windows: int = 8) -> Batch:
    """Noise, and labels that depend on a part of it."""
    from sernet_edge.train.losses import Batch

    rng = np.random.default_rng(4)
    # The attention network accepts windows of any length.
    frames = model.input_shape[1] or CONTRACT.window_frames
    shape = (windows, frames, *model.input_shape[2:])
    inputs = rng.normal(0, 1, shape).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[np.arange(windows) % 2]
    inputs[::2, :, :8] += 2
    return Batch(inputs, labels, labels)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_twin_has_its_model_s_scores_within_rounding(architecture: str) -> None:
    import keras

    from sernet_edge.train.models.twin import training_twin

    model = made(architecture)
    twin = training_twin(model, model.input_shape[1], "bfloat16")
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert {weight.dtype for weight in twin.weights} == {"float32"}
    computes = {
        layer.name: layer.compute_dtype
        for layer in twin.layers
        if isinstance(layer, keras.layers.Layer)
    }
    assert (computes.pop("features"), computes.pop("scores")) == ("float32", "float32")
    assert set(computes.values()) == {"bfloat16"}
    # Scores are 0 to 1, with eight bits in each of up to nine layers.
    inputs = batch(model).inputs
    np.testing.assert_allclose(twin(inputs), model(inputs), atol=0.03)


def test_the_twin_s_batch_norm_is_that_of_keras() -> None:
    import keras

    from sernet_edge.train.models.twin import FusedBatchNormalization

    rng = np.random.default_rng(5)
    inputs = rng.normal(3, 2, (4, 6, 5, 3)).astype(np.float32)
    count = 4 * 6 * 5
    found, expected = (
        kind(momentum=0.6) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    )
    for _ in range(2):
        np.testing.assert_allclose(
            found(inputs, training=True), expected(inputs, training=True), atol=1e-5
        )
    np.testing.assert_allclose(found.moving_mean, expected.moving_mean, rtol=1e-5)
    # After two steps, 0.64 of it is the batches' sample variance, the rest the initial 1.
    np.testing.assert_allclose(
        np.asarray(found.moving_variance) - 0.36,
        (np.asarray(expected.moving_variance) - 0.36) * count / (count - 1),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        found(inputs, training=False), expected(inputs, training=False), rtol=0.01, atol=0.01
    )


@pytest.mark.parametrize(
    ("architecture", "change"),
    [
        ("light-sernet-quarter", {"center_loss": 0.01, "reconstruction": 0.1}),
        ("attention-fcn-small", {"loss": "focal"}),
    ],
)
def test_a_twin_learns(architecture: str, change: dict[str, Any]) -> None:
    from sernet_edge.train.losses import Objective
    from sernet_edge.train.models.twin import training_twin

    model = made(architecture)
    twin = training_twin(model, model.input_shape[1], "bfloat16")
    recipe = replace(SHORT, learning_rate=3e-3, **change)
    objective, some = Objective(twin, CONTRACT.window_frames, recipe), batch(twin)
    losses = [objective.step(some)["loss"] for _ in range(12)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_result_of_training_is_a_plain_float32_model(tmp_path: Path) -> None:
    fit = ready(replace(SHORT, precision="bfloat16"), tmp_path / "c.npz")
    before = fit.model.get_weights()
    after: list[Any] = []
    fit.run(lambda epoch, entry: after.append(fit.model.get_weights()))
    fit.finish()
    assert any(np.any(a != b) for a, b in zip(before, after[0], strict=True))
    for found, last in zip(fit.model.get_weights(), after[-1], strict=True):
        np.testing.assert_array_equal(found, last)
    assert {layer.compute_dtype for layer in fit.model.layers} == {"float32"}
    assert {type(layer).__module__.partition(".")[0] for layer in fit.model.layers} == {"keras"}


def test_a_network_whose_rows_do_not_depend_on_the_window_trains_on_shorter_ones(
    tmp_path: Path,
) -> None:
    import keras

    from sernet_edge.train.models.twin import training_twin

    contract = streaming_contract()
    model = build("light-sernet-stream-quarter", contract, batch_norm_momentum=0.9)
    twin = training_twin(model, 134, "float32")
    assert twin.input_shape[1] == 134
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    # The last map of a window consists of the maps of its two halves, which share no row: 102 + 32
    # frames have the first two rows, and the last two begin 64 frames later.
    window = np.random.default_rng(6).normal(0, 1, (1, 198, 40, 1)).astype(np.float32)
    embedding = [keras.Model(one.input, one.get_layer("embedding").output) for one in (model, twin)]
    halves = [embedding[1](window[:, start : start + 134]) for start in (0, 64)]
    np.testing.assert_allclose(np.mean(halves, axis=0), embedding[0](window), atol=1e-5)


def test_training_windows_are_as_long_as_the_recipe_says() -> None:
    contract = streaming_contract()
    windows = TrainingWindows(contract, replace(SHORT, training_frames=134))
    rng = np.random.default_rng(7)
    sound = rng.normal(0, 2000, 80_000).astype(np.int16)
    recording = Recording(Utterance(Path("long.wav"), "a", "1"), sound)
    assert windows.training_window(recording, rng).shape == (134, 40)
    assert windows.none_window(rng).shape == (134, 40)
    assert windows.test_windows(recording).shape[1:] == (198, 40)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"stride_frames": 0, "receptive_frames": 0}, "depends on the ends of its window"),
        ({}, "134 and 166"),
    ],
)
def test_a_length_that_the_network_does_not_support_is_refused(
    rows: dict[str, int], message: str
) -> None:
    contract = streaming_contract(**rows)
    with pytest.raises(SettingError, match=message):
        TrainingWindows(contract, replace(SHORT, training_frames=140))
