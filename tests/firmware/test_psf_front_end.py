"""The C front end gives the runtime's features with settings of python_speech_features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundle_cases import build, small_model, utterances, with_statistics, write_front_end
from frontend_cases import MAIN, c_features, compare, python_features
from object_files import SANITIZE
from psf_contracts import SETTINGS, psf_contract
from support import quickly

from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile


@pytest.mark.parametrize("name", quickly(SETTINGS, 2))
def test_features_of_speech_equal_those_of_the_runtime(
    name: str, emodb: Path, tmp_path: Path
) -> None:
    contract = psf_contract(name).replace(clip=4.0)
    streams = utterances(emodb, contract, 4)
    rng = np.random.default_rng(3)
    # Hardly audible, and at full scale.
    streams += [(streams[0] / 200).astype(np.int16), rng.integers(-32768, 32768, 40_000)]
    contract = with_statistics(contract, streams)
    model = Model(ModelFile("model", small_model(contract)))
    program = build(write_front_end(tmp_path, model), tmp_path / "program", MAIN, SANITIZE)
    found = c_features(program, contract, streams, 256)
    share, largest = compare(found, python_features(model, streams))
    assert largest <= 1 and share >= 0.999, (share, largest)
    np.testing.assert_array_equal(c_features(program, contract, streams, 7), found)
