"""Hostile `.tflite` files are refused or exported, without a crash, a hang or endless memory.

Each batch runs in a separate process with limits of memory and processor time. If the reader
believes a damaged length, the kernel kills the process and the batch fails.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite
from graphs import RandomGraph
from hypothesis import HealthCheck, given, settings, strategies
from support import quickly

from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError, SernetError
from sernet_edge.runtime.modelfile import ModelFile

EXTRA_MEMORY_BYTES = 512 * 1024 * 1024
SECONDS = 300
MUTANTS = 400

# Arguments: a model, the number of mutants, a seed.
BATCH = f"""
import resource, sys
import numpy as np
import tflite
from sernet_edge.firmware_export import emit
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile

data = open(sys.argv[1], "rb").read()
count, rng = int(sys.argv[2]), np.random.default_rng(int(sys.argv[3]))

# Where the structure is: damaged weights are only other weights.
structure = np.ones(len(data), bool)
model = tflite.Model.GetRootAs(data, 0)
for n in range(model.BuffersLength()):
    if model.Buffers(n).DataLength() > 64:
        at = data.find(model.Buffers(n).DataAsNumpy().tobytes())
        structure[at : at + model.Buffers(n).DataLength()] = False
places = np.flatnonzero(structure)
places = places[places >= 8]

def export(damaged):
    network = read_network(ModelFile("fuzzed", damaged))
    plan = plan_network(network)
    emit.model_header(network, plan, "sernet_model")
    emit.model_source(plan, "sernet_model")

export(data)
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + {EXTRA_MEMORY_BYTES}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
hostile = [0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
refused = 0
for mutant in range(count):
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.choice(places))
        kind = rng.integers(5)
        if kind == 0:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            word = at // 4 * 4
            damaged[word : word + 4] = int(rng.choice(hostile)).to_bytes(4, "little")
        elif kind == 2:
            source = int(rng.choice(places))
            damaged[at : at + 8] = damaged[source : source + 8]
        elif kind == 3:
            damaged[at] = int(rng.integers(256))
        elif rng.integers(4) == 0:
            del damaged[at:]
            break
    try:
        export(bytes(damaged))
    except SernetError:
        refused += 1
    except BaseException as error:
        open(sys.argv[1] + ".crash", "wb").write(damaged)
        raise AssertionError(f"mutant {{mutant}}: {{type(error).__name__}}") from error
print(refused)
"""


def refused(model: bytes, folder: Path, seed: int, mutants: int = MUTANTS) -> int:
    path = folder / "model.tflite"
    path.write_bytes(model)
    done = subprocess.run(
        [sys.executable, "-c", BATCH, str(path), str(mutants), str(seed)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.parametrize(("seed", "mutants"), quickly([(0, 6), (0, 100), (1, 100)], 1))
def test_a_damaged_structure_of_the_shipped_model_is_handled(
    seed: int, mutants: int, shipped_model: Path, tmp_path: Path
) -> None:
    data = ModelFile.read(shipped_model).flatbuffer
    assert refused(data, tmp_path, seed, mutants) > mutants / 4


@pytest.mark.parametrize("seed", quickly(range(6), 1))
def test_a_damaged_structure_of_a_random_graph_is_handled(seed: int, tmp_path: Path) -> None:
    assert refused(RandomGraph(seed).build(), tmp_path, seed) > 100


def test_a_process_that_takes_too_much_memory_is_noticed(tmp_path: Path) -> None:
    # The batches rely on this limit.
    greedy = BATCH.replace("    try:\n        export", "    try:\n        bytes(1 << 30); export")
    path = tmp_path / "model.tflite"
    path.write_bytes(RandomGraph(0).build())
    done = subprocess.run(
        [sys.executable, "-c", greedy, str(path), "1", "0"], capture_output=True, text=True
    )
    assert done.returncode != 0 and "MemoryError" in done.stderr


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.binary(max_size=400), strategies.integers(0, 400))
def test_random_bytes_with_the_mark_of_a_model_are_refused(body: bytes, root: int) -> None:
    data = struct.pack("<I", root) + b"TFL3" + body
    with pytest.raises(SernetError):
        read_network(ModelFile("fuzzed", data))


def test_lists_that_overlap_are_refused_before_they_take_memory() -> None:
    builder = flatbuffers.Builder(0)
    shape = builder.CreateNumpyVector(np.ones(100_000, np.int32))
    tensors = []
    for _ in range(1000):
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, shape)
        tensors.append(tflite.TensorEnd(builder))
    tflite.SubGraphStartTensorsVector(builder, len(tensors))
    for tensor in tensors:
        builder.PrependUOffsetTRelative(tensor)
    vector = builder.EndVector()
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, vector)
    graph = tflite.SubGraphEnd(builder)
    tflite.ModelStartSubgraphsVector(builder, 1)
    builder.PrependUOffsetTRelative(graph)
    graphs = builder.EndVector()
    tflite.ModelStart(builder)
    tflite.ModelAddSubgraphs(builder, graphs)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    with pytest.raises(ModelError, match="damaged"):
        read_network(ModelFile("overlapping", bytes(builder.Output())))
