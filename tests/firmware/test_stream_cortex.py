"""Bits and cost of LIGHT-SERNET without padding in time, on microcontroller cores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from bundle_cases import C_FOLDER, build, run, write_bundle
from cores import on_core
from engine_cases import tflm_outputs
from numpy.typing import NDArray

from sernet_edge.bench.measure.models import relatives
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.hops import hop_costs
from sernet_edge.firmware_export.measure import cross, firmware
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.train.models import ARCHITECTURES

pytestmark = [
    pytest.mark.slow,
    # The converter's own warnings, which the command line hides.
    pytest.mark.filterwarnings("ignore"),
]


def contract() -> Contract:
    its = ARCHITECTURES["light-sernet-stream"]
    labels = ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")
    # Values in the range of speech features.
    return Contract(
        labels, (5.0,), (10.0,), level="none", window_frames=its.window_frames, **its.rows
    )


@pytest.fixture(scope="module")
def models() -> dict[str, ModelFile]:
    """The streaming architectures with random weights; training does not change their cost."""
    wanted = {f"light-sernet-stream{size}" for size in ("", "-half", "-quarter")}
    found = relatives(
        contract(), "light-sernet-stream", set(ARCHITECTURES) - wanted, lambda text: None
    )
    return {model.architecture: model.file for model in found}


@pytest.fixture(scope="module")
def quarter(models: dict[str, ModelFile], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(
        tmp_path_factory.mktemp("quarter"), models["light-sernet-stream-quarter"].data
    )


def check(said: str, model: bytes, hop_frames: int | None = None) -> None:
    """Compare the results of stream_board.c with TensorFlow Lite Micro's on the printed rows."""
    settings = ModelFile("model", model).require_contract()
    if hop_frames is not None:
        settings = settings.replace(hop_frames=hop_frames)

    def int8(text: str) -> NDArray[np.int8]:
        return np.frombuffer(bytes.fromhex(text), np.int8)

    rows = np.stack([int8(text) for text in re.findall(r"^row (\w+)", said, re.M)])
    results = re.findall(r"^frames (\d+)\nsaturated (\d+)\nscores (\w+)", said, re.M)
    ends = [int(frames) for frames, _, _ in results]
    first, hop = settings.window_frames, settings.hop_frames
    assert ends == [first + n * hop for n in range(len(ends))] and len(ends) == 12
    windows = np.stack([rows[end - first : end].ravel() for end in ends])
    found = np.stack([int8(scores) for _, _, scores in results])
    np.testing.assert_array_equal(found, tflm_outputs(model, windows))
    assert len(np.unique(found, axis=0)) > 1


def said_on(core: str, bundle: Path) -> str:
    """Return the output of stream_board.c for a bundle on a core."""
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    sources = sorted([*(bundle / "src").glob("*.c"), *(bundle / "src").glob("*.S")])
    sources += [bundle / "examples/sernet_golden_pcm.c", C_FOLDER / "stream_board.c"]
    program = bundle / f"stream-{core}.elf"
    cross.build(CORES[core], sources, program)
    done = cross.run(CORES[core], program)
    assert done.returncode == 0, done.stdout[-1000:]
    return done.stdout


@pytest.mark.parametrize("core", [on_core("m4"), on_core("m55")])
def test_every_window_on_a_core_has_the_scores_of_tflm(
    core: str, quarter: Path, models: dict[str, ModelFile]
) -> None:
    check(said_on(core, quarter), models["light-sernet-stream-quarter"].data)


@pytest.mark.parametrize(
    ("core", "hop"), [on_core("m4", 16), on_core("m4", 8), on_core("m55", 16), on_core("m55", 8)]
)
def test_windows_closer_than_the_stride_on_a_core_have_the_scores_of_tflm(
    core: str, hop: int, tmp_path: Path
) -> None:
    model = BOX["voices"].read_bytes()
    check(said_on(core, write_bundle(tmp_path, model, hop_frames=hop)), model, hop)


def test_hops_of_a_half_and_a_quarter_of_the_stride_cost_little_more(tmp_path: Path) -> None:
    core = CORES["m4"]
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} not installed")
    file, counter = ModelFile.read(BOX["voices"]), cross.build_counter(tmp_path)
    found = {}
    for hop in (32, 16, 8):
        planned = PlannedModel.read(file, hop_frames=hop)
        (its,) = (cost for cost in hop_costs(planned) if cost.hop_frames == hop)
        sources = firmware.write_firmware_sources(planned, tmp_path / str(hop))
        _, shared = firmware.measure_firmware(sources, core, counter)
        assert shared is not None and its.shared is not None
        assert shared.hop.seconds == pytest.approx(hop * 0.016)
        # Besides the state: memory that does not depend on the hop (waiting features, stack).
        found[hop] = (
            shared.hop.network / shared.hop.seconds / its.shared.macs,
            shared.memory.ram_bytes - its.shared.state_bytes,
            shared.hop.per_second,
        )
    # `inspect` shows the same MACs and memory beforehand.
    for per_mac, rest, _ in found.values():
        assert per_mac == pytest.approx(found[32][0], rel=0.02)
        assert rest == pytest.approx(found[32][1], abs=8)
    assert found[16][2] < 1.03 * found[32][2] and found[8][2] < 1.10 * found[32][2]


def test_every_window_on_a_pc_has_the_scores_of_tflm(
    quarter: Path, models: dict[str, ModelFile], tmp_path: Path
) -> None:
    golden = [quarter / "examples/sernet_golden_pcm.c"]
    program = build(quarter, tmp_path / "stream", C_FOLDER / "stream_board.c", extra=golden)
    check(run(program, []).decode(), models["light-sernet-stream-quarter"].data)


# Millions of instructions: the network's for a second of audio, the longest call's; total RAM in
# bytes.
@pytest.mark.parametrize(
    ("core", "size", "network", "call", "ram"),
    [
        on_core("m4", "", 65.3, 2.5, 35_000),
        on_core("m55", "", 13.3, 0.5, 35_000),
        on_core("m4", "-half", 22.3, 0.7, 22_000),
        on_core("m4", "-quarter", 9.3, 0.2, 16_000),
    ],
)
def test_shared_rows_stay_within_their_budget(
    core: str,
    size: str,
    network: float,
    call: float,
    ram: int,
    models: dict[str, ModelFile],
    tmp_path: Path,
) -> None:
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    planned = PlannedModel.read(models[f"light-sernet-stream{size}"])
    sources = firmware.write_sources(planned, tmp_path)
    found = firmware.measure(sources, CORES[core], cross.build_counter(tmp_path))
    assert found.shared is not None and found.whole is not None
    hop = found.shared.hop
    assert hop.seconds == pytest.approx(0.512)
    assert hop.network / hop.seconds <= network * 1e6
    assert hop.longest_call <= call * 1e6
    assert found.shared.memory.ram_bytes <= ram
    assert found.whole.hop.network > 5 * hop.network
