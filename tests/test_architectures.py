"""Every system: trained by name, made int8, run by TensorFlow Lite and by its Micro version."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sernet_edge.firmware_export import tflm
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime import modelfile
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.interpreter import Model, interpreter_module
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.dataset import Recording, new_contract
from sernet_edge.train.models import ARCHITECTURES
from sernet_edge.train.recipe import Recipe

# The converter's own, which the command line discards.
pytestmark = pytest.mark.filterwarnings("ignore")

# Half a second of speech, so that the large ones train in a moment.
FRAMES = 32

TFLM_ALONE = {"attention-fcn", "attention-fcn-small"}


@cache
def recordings() -> list[Recording]:
    """Two speakers' low and high tones in noise, 1 s each."""
    rng = np.random.default_rng(5)
    time = np.arange(16_000) / 16_000
    made = []
    for index in range(8):
        label = "low" if index % 2 else "high"
        tone = np.sin(2 * np.pi * (300 if label == "low" else 2500) * time)
        samples = (4000 * tone + rng.normal(0, 300, len(time))).astype(np.int16)
        made.append(Recording(Utterance(Path(f"{index}.wav"), label, str(index // 4)), samples))
    return made


@pytest.fixture(scope="module", params=ARCHITECTURES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of one architecture after two epochs."""
    from sernet_edge.train.fit import start

    name = request.param
    own = ARCHITECTURES[name]
    folder = tmp_path_factory.mktemp(name)
    recipe = Recipe(
        epochs=2,
        batch_size=4,
        average_epochs=1,
        time_mask_frames=4,
        center_loss=own.center_loss,
        reconstruction=own.reconstruction,
    )
    contract = new_contract(("high", "low"), "window", FRAMES, own.features)
    fit = start(contract, recipe, recordings(), 1, folder / "checkpoint.npz", name)
    fit.run(lambda epoch, entry: None)
    fit.finish()
    assert len(fit.history) == 2
    path: Path = folder / f"{name}.keras"
    fit.model.save(path)
    contract = fit.windows.contract.replace(provenance={"architecture": name})
    path.write_bytes(modelfile.with_contract(path.read_bytes(), contract))
    return path


def windows_of(path: Path) -> NDArray[np.float32]:
    """The windows of all recordings, float32 (windows, frames, features)."""
    from sernet_edge.train.dataset import Windows

    contract = modelfile.read_contract(path.read_bytes(), path.name)
    windows = Windows(contract, Recipe())
    return np.concatenate([windows.test_windows(recording) for recording in recordings()])


@pytest.fixture(scope="module")
def converted(trained: Path) -> bytes:
    """The same as int8, with its contract."""
    from sernet_edge.convert.quantize import convert_model
    from sernet_edge.train.models.saved import load_saved

    contract = modelfile.read_contract(trained.read_bytes(), trained.name)
    flatbuffer = convert_model(load_saved(trained, contract), "int8", windows_of(trained))
    return modelfile.with_contract(flatbuffer, contract)


def reference_outputs(data: bytes, windows: NDArray[np.int8]) -> NDArray[np.int8]:
    """What TensorFlow Lite's reference kernels make of int8 windows."""
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


def test_a_system_becomes_int8_and_says_the_same_everywhere(
    trained: Path, converted: bytes
) -> None:
    from sernet_edge.convert.quantize import float_tensors

    assert float_tensors(converted) == []
    model = Model(converted, trained.name)
    assert model.is_int8
    features = windows_of(trained)
    windows = np.stack([model.quantise(window) for window in features])
    expected = reference_outputs(converted, windows)
    ran = tflm.run(converted, trained.name, windows.reshape(len(windows), -1))
    np.testing.assert_array_equal(ran.outputs, expected)
    ours = np.stack([model.run_int8(window) for window in windows])
    # The optimised LOG_SOFTMAX looks its exponentials up and is at times one step off.
    tolerance = 2 if trained.stem in TFLM_ALONE else 0
    assert np.abs(ours.astype(int) - expected).max() <= tolerance
    # And it is about what Keras says.
    from sernet_edge.train.models.saved import load_saved

    keras_model = load_saved(trained, model.contract)
    theirs = np.asarray(keras_model.predict(features[..., None], verbose=0))
    np.testing.assert_allclose((expected + 128) / 256, theirs, atol=0.05)


def test_the_native_engine_takes_it_or_says_what_it_lacks(trained: Path, converted: bytes) -> None:
    if trained.stem in TFLM_ALONE:
        with pytest.raises(ModelError, match="does not know TANH.*--engine tflm"):
            read_network(converted, trained.name)
    else:
        network = read_network(converted, trained.name)
        assert network.output.channels == 2
