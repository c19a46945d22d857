"""Builds programs from exported bundles and gives them audio."""

from __future__ import annotations

import shutil
import subprocess
import wave
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from engine_cases import C_FOLDER
from graphs import SAME, RandomGraph
from numpy.typing import NDArray
from object_files import FAST, STRICT, compiler_output, object_file

from sernet_edge.firmware_export import frontend_tables
from sernet_edge.firmware_export.bundle import bundle_files
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile

Samples = NDArray[np.int16]


def write_bundle(folder: Path, data: bytes, hop_frames: int | None = None) -> Path:
    """Write a model's bundle to a folder and return it; hop None means the contract's."""
    planned = PlannedModel.read(ModelFile("model.tflite", data), hop_frames=hop_frames)
    for path, text in bundle_files(planned).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def write_front_end(folder: Path, model: Model) -> Path:
    """Write a bundle that holds only the front end; it compiles in a moment."""
    src = folder / "src"
    src.mkdir(parents=True)
    for name in frontend_tables.frontend_files(model.contract):
        (src / name).write_text(engine_file(name))
    (src / "sernet_contract.h").write_text(frontend_tables.contract_header(model))
    (src / "sernet_contract.c").write_text(frontend_tables.contract_source(model))
    return folder


def small_model(contract: Contract, zero_point: int = 0) -> bytes:
    """Return a network of the contract's shapes with random weights, and the contract in it.

    Args:
        contract: Its features reach from -clip to clip; from 0 to clip with a zero point of -128.
        zero_point: The input's zero point.
    """
    # With this seed the scores depend on the audio, for any features.
    random = RandomGraph(10)
    shape = (1, contract.window_frames, contract.feature_count, 1)
    # The input's 256 values span the features' range.
    steps = 127.5 - zero_point / 128 * 127.5
    last = random.graph.input(shape, float(np.float32(contract.clip / steps)), zero_point)
    last = random.conv(last, 4, window=(SAME, (3, 5), (4, 4)))
    last = random.reshape(last, (1, int(np.prod(random.shape(last)))))
    last = random.softmax(random.dense(last, len(contract.labels)))
    return ModelFile("model", random.graph.finish(last)).with_contract(contract).data


def with_statistics(contract: Contract, streams: list[Samples]) -> Contract:
    """Return a contract with the mean and deviation that training would measure."""
    front_end = FrontEnd(contract)
    rows = [feature_rows(front_end, stream) for stream in streams]
    if contract.level == "window":
        for some in rows:
            front_end.subtract_level(some, front_end.levels(some).mean())
    stacked = np.concatenate(rows)
    return contract.replace(
        mean=tuple(stacked.mean(axis=0).tolist()), std=tuple(stacked.std(axis=0).tolist())
    )


def with_contract(data: bytes, contract: Contract) -> bytes:
    """Return a model with another contract of the same shapes."""
    return ModelFile("model", data).with_contract(contract).data


def build(
    bundle: Path,
    program: Path,
    main: Path,
    options: Sequence[str] = FAST,
    compiler: str = "gcc",
    extra: Iterable[Path] = (),
) -> Path:
    """Compile a bundle's sources and a main file with the project's strict options."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    src = bundle / "src"
    command = [compiler, *STRICT, *options, f"-I{src}", f"-I{C_FOLDER}"]
    sources = [main, *extra, *sorted([*src.glob("*.c"), *src.glob("*.S")])]
    objects = [str(object_file(command, source)) for source in sources]
    compiler_output([*command, *objects, "-o", str(program)])
    return program


def run(program: Path, streams: Iterable[Samples], *arguments: object) -> bytes:
    """Run a program that reads streams; return its output."""
    parts = []
    for stream in streams:
        parts += [np.uint32(len(stream)).tobytes(), stream.astype(np.int16).tobytes()]
    done = subprocess.run(
        [str(program), *map(str, arguments)], input=b"".join(parts), capture_output=True
    )
    assert done.returncode == 0, done.stdout[-500:].decode() + done.stderr[-4000:].decode()
    return done.stdout


def utterances(emodb: Path, contract: Contract, count: int) -> list[Samples]:
    """Read recordings from the whole corpus; pad short ones to a window."""
    paths = sorted((emodb / "wav").glob("*.wav"))
    assert len(paths) >= count
    return [padded(read_wav(path), contract) for path in paths[:: len(paths) // count][:count]]


def read_wav(path: Path) -> Samples:
    """Read a mono 16-bit WAV file."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)


def padded(samples: Samples, contract: Contract) -> Samples:
    """Return at least one window of samples; append silence to shorter audio."""
    missing = max(0, contract.window_samples - len(samples))
    return np.concatenate([samples, np.zeros(missing, np.int16)])
