"""The twin that trains in bfloat16 is its model, but for rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from short_training import SHORT, SHORT_CONTRACT, ready

from sernet_edge.train.models import ARCHITECTURES, build

if TYPE_CHECKING:
    import keras

    from sernet_edge.train.losses import Batch

pytestmark = pytest.mark.training

# Long enough that something is left of it after the attention network's pooling.
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


def batch(model: keras.Model, windows: int = 8) -> Batch:
    """Noise, and labels that a part of it tells."""
    from sernet_edge.train.losses import Batch

    rng = np.random.default_rng(4)
    # The attention network takes windows of any length.
    frames = model.input_shape[1] or CONTRACT.window_frames
    shape = (windows, frames, *model.input_shape[2:])
    inputs = rng.normal(0, 1, shape).astype(np.float32)
    labels = np.eye(2, dtype=np.float32)[np.arange(windows) % 2]
    inputs[::2, :, :8] += 2
    return Batch(inputs, labels, labels)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_twin_says_what_its_model_says_to_within_rounding(architecture: str) -> None:
    import keras

    from sernet_edge.train.models.bfloat16 import bfloat16_twin

    model = made(architecture)
    twin = bfloat16_twin(model)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert {weight.dtype for weight in twin.weights} == {"float32"}
    computes = {
        layer.name: layer.compute_dtype
        for layer in twin.layers
        if isinstance(layer, keras.layers.Layer)
    }
    assert (computes.pop("features"), computes.pop("scores")) == ("float32", "float32")
    assert set(computes.values()) == {"bfloat16"}
    # Scores of 0 to 1, and eight bits, of each of up to nine layers.
    inputs = batch(model).inputs
    np.testing.assert_allclose(twin(inputs), model(inputs), atol=0.03)


def test_its_batch_norm_is_that_of_keras() -> None:
    import keras

    from sernet_edge.train.models.bfloat16 import FusedBatchNormalization

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
    # Of a sample: after two steps 0.64 of it is from the batches, the rest the 1 it began with.
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
    from sernet_edge.train.models.bfloat16 import bfloat16_twin

    twin = bfloat16_twin(made(architecture))
    recipe = replace(SHORT, learning_rate=3e-3, **change)
    objective, some = Objective(twin, CONTRACT.window_frames, recipe), batch(twin)
    losses = [objective.step(some)["loss"] for _ in range(12)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_what_is_left_after_training_is_a_plain_float32_model(tmp_path: Path) -> None:
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
