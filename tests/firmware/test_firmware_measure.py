"""`make size` prints RAM, code and instructions, and saved runs for comparison."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cores import M4, needs_m4
from graphs import RandomGraph
from stream_graphs import stream_contract, stream_model

from sernet_edge.bench.measure import cores
from sernet_edge.firmware_export import golden
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.measure import cross, firmware, size, tflm
from sernet_edge.firmware_export.network import Network, Tensor
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile

FIGURES = firmware.Measurement(
    "m4",
    firmware.Memory(1, 2, 3),
    1_000_000,
    layers=(0, 999_000),
    network_sections={".text": 5},
    whole=firmware.Firmware(
        firmware.Memory(40_000, 500, 6), firmware.Hop(0.5, 100, 1_000_100, 90, 95), {".text": 7}
    ),
)


@pytest.fixture
def shipped(shipped_model: Path) -> Network:
    return read_network(ModelFile.read(shipped_model))


@pytest.fixture(scope="module")
def measured(
    shipped_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[firmware.Measurement, Path]:
    """The shipped model measured on an M4, and the folder of the built files."""
    folder = tmp_path_factory.mktemp("m4")
    return measure(ModelFile.read(shipped_model), folder), folder


def measure(file: ModelFile, folder: Path) -> firmware.Measurement:
    """Measure a model on an M4."""
    sources = firmware.write_sources(PlannedModel.read(file), folder)
    return firmware.measure(sources, M4, cross.build_counter(folder))


def listed(*command: object) -> str:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=True
    ).stdout


@needs_m4
def test_total_ram_is_the_state_and_the_stack(measured: tuple[firmware.Measurement, Path]) -> None:
    figures, folder = measured
    symbols = listed("arm-none-eabi-nm", "-S", folder / "whole" / "m4.elf").splitlines()
    (state,) = (line.split() for line in symbols if line.endswith(" state"))
    assert figures.exported is not None
    memory = figures.exported.memory
    assert memory.ram_bytes - memory.stack_bytes == int(state[1], 16)
    assert memory.stack_bytes > 0


@needs_m4
def test_the_page_of_the_engine_has_the_measured_figures(
    measured: tuple[firmware.Measurement, Path],
) -> None:
    figures, _ = measured
    page = (Path(__file__).parents[2] / "docs" / "design" / "engine.md").read_text()
    assert figures.exported is not None
    alone, whole = figures.network, figures.exported.memory
    instructions = f"{figures.instructions / 1e6:.1f} M"
    assert f"| Cortex-M4 | {alone.ram_bytes:,} | {alone.code_bytes:,} | {instructions} |" in page
    cells = (whole.ram_bytes, whole.stack_bytes, whole.code_bytes)
    assert f"| Cortex-M4 | {' | '.join(f'{cell:,}' for cell in cells)} |" in page


@needs_m4
def test_flash_is_the_size_of_the_image_to_flash(
    measured: tuple[firmware.Measurement, Path],
) -> None:
    figures, folder = measured
    # Without the audio, which belongs to the measuring program.
    listed("arm-none-eabi-objcopy", "-R", ".input", "-O", "ihex",
           folder / "whole" / "m4.elf", folder / "m4.hex")  # fmt: skip
    lines = (folder / "m4.hex").read_text().splitlines()
    data_bytes = sum(int(line[1:3], 16) for line in lines if line[7:9] == "00")
    # Up to a word of alignment between sections.
    assert data_bytes - 16 <= figures.flash_bytes <= data_bytes


@needs_m4
def test_the_instructions_of_all_layers_add_up_to_those_of_the_network(
    measured: tuple[firmware.Measurement, Path], shipped: Network
) -> None:
    figures, _ = measured
    assert len(figures.layers) == len(shipped.layers)
    # The schedule takes the rest.
    assert 0.99 < sum(figures.layers) / figures.instructions < 1
    # A convolution's instructions are proportional to its MACs.
    by_macs = {
        layer.output.height * layer.output.width * layer.weights.size: count
        for layer, count in zip(shipped.layers, figures.layers, strict=True)
    }
    most = max(by_macs)
    assert by_macs[most] == max(figures.layers)
    # 24 MACs take 18 instructions; the code around them takes more.
    assert by_macs[most] > most * 18 / 24


@needs_m4
def test_a_hop_takes_a_run_of_the_network_and_the_front_end_of_its_frames(
    measured: tuple[firmware.Measurement, Path],
) -> None:
    figures, _ = measured
    assert figures.exported is not None
    hop = figures.exported.hop
    assert hop.seconds == pytest.approx(31 * 0.016)
    assert hop.network == pytest.approx(figures.instructions, rel=0.01)
    assert hop.per_second == (hop.features + hop.network) / (31 * 0.016)
    # A frame: windowing and an FFT of 1024 points take more than 10 instructions a point.
    assert hop.features / 31 > 10 * 1024


@pytest.mark.slow
@needs_m4
def test_instruction_counts_repeat_exactly(tmp_path: Path) -> None:
    graph = RandomGraph(1).build()
    first, second = (
        measure(ModelFile("graph", graph), tmp_path / name) for name in ("first", "second")
    )
    assert first == second


@needs_m4
def test_a_model_without_a_contract_is_measured_as_a_network_alone(tmp_path: Path) -> None:
    measured = measure(ModelFile("graph", RandomGraph(0).build()), tmp_path)
    assert measured.exported is None
    assert measured.network.ram_bytes > measured.network.stack_bytes > 0
    assert measured.network.code_bytes > 0 and measured.instructions > 0
    assert measured.flash_bytes > 0


@needs_m4
def test_a_network_with_wrong_results_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = golden.golden_outputs
    monkeypatch.setattr(golden, "golden_outputs", lambda file, inputs: right(file, inputs) ^ 1)
    with pytest.raises(SernetError, match="graph: the program on m4 went wrong: stack"):
        measure(ModelFile("graph", RandomGraph(0).build()), tmp_path)


def test_macs_are_those_of_the_architecture(shipped: Network) -> None:
    first = 184 * 40 * 32 * (11 * 1 + 1 * 9 + 3 * 3)
    body = 92 * 20 * 64 * 9 * 96 + 46 * 10 * 96 * 9 * 64
    body += 23 * 5 * 128 * 9 * 96 + 12 * 5 * 160 * 9 * 128 + 6 * 5 * 320 * 160
    assert shipped.macs == first + body + 320 * 8


def resized(network: Network, index: int, **sizes: int) -> Network:
    """Return the network with another size of a layer's output."""
    layers = list(network.layers)
    output: Tensor = dataclasses.replace(layers[index].output, **sizes)
    layers[index] = dataclasses.replace(layers[index], output=output)
    return dataclasses.replace(network, layers=tuple(layers))


TFLM_FIGURES = tflm.TflmFigures("m4", 300_000_000, 420_000, 425_000, 900, 600_000, 90_000)


@pytest.fixture
def saved(shipped: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """A saved run of the shipped model's network."""
    its = {"cores": [dataclasses.asdict(TFLM_FIGURES)]}
    document = {"origin": "commit 0123abcd", "networks": {tflm.fingerprint(shipped): its}}
    monkeypatch.setattr(tflm, "saved_document", lambda: document)


@pytest.mark.usefixtures("saved")
def test_the_saved_run_is_shown_only_for_its_own_network(shipped: Network) -> None:
    assert tflm.saved_runs(shipped) == tflm.SavedRuns("commit 0123abcd", (TFLM_FIGURES,))
    longer, fewer = resized(shipped, 0, height=374), resized(shipped, -1, channels=4)
    sparser = resized(shipped, 1, height=92)
    for other in (longer, fewer, sparser, read_network(ModelFile("graph", RandomGraph(0).build()))):
        assert tflm.saved_runs(other) is None


@pytest.mark.usefixtures("saved")
def test_the_order_of_parallel_paths_does_not_change_which_saved_run_is_found(
    shipped: Network,
) -> None:
    # Put the second path, layers 3 and 4, before the first.
    order = [0, 3, 4, 1, 2, *range(5, len(shipped.layers))]
    moved = [
        dataclasses.replace(layer, inputs=tuple(order.index(index) for index in layer.inputs))
        for layer in (shipped.layers[index] for index in order)
    ]
    assert [layer.kernel.size for layer in moved] != [layer.kernel.size for layer in shipped.layers]
    same = dataclasses.replace(shipped, layers=tuple(moved))
    assert tflm.saved_runs(same) == tflm.saved_runs(shipped)
    # With its paths joined in the other order it is another network.
    joined = next(i for i, layer in enumerate(moved) if layer.op == "CONCATENATION")
    moved[joined] = dataclasses.replace(moved[joined], inputs=moved[joined].inputs[::-1])
    other = dataclasses.replace(shipped, layers=tuple(moved))
    assert tflm.saved_runs(other) is None


def test_the_shipped_model_has_a_saved_run_on_every_core_that_bench_counts_on(
    shipped: Network,
) -> None:
    saved = tflm.saved_runs(shipped)
    assert saved is not None
    assert tuple(figures.core for figures in saved.cores) == cores.DEFAULT
    for figures in saved.cores:
        assert " ".join(CORES[figures.core].flags) in saved.origin


def test_saved_runs_name_their_commits_compiler_and_flags() -> None:
    document = tflm.saved_document()
    for network in document["networks"].values():
        assert [tflm.TflmFigures(**figures) for figures in network["cores"]]
        # The commits of TensorFlow Lite Micro and CMSIS-NN.
        assert len(re.findall(r"\b[0-9a-f]{8,40}\b", document["origin"])) >= 2
        assert "GCC" in document["origin"] and "-O2" in document["origin"]


@pytest.mark.usefixtures("saved")
def test_the_table_names_the_origin_of_saved_figures(
    shipped_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "measure", lambda sources, core, counter: FIGURES)
    lines = CliRunner().invoke(size.main, [str(shipped_model)]).output.splitlines()
    assert lines[1].split() == ["m4", "1", "2", "3", "1,000,000", "40,000", "500", "6"]
    (shown,) = (line for line in lines if "TFLM saved" in line)
    assert shown.split()[:1] == ["m4"]
    assert all(f"{n:,}" in shown for n in (425_000, 900, 90_000, 300_000_000))
    assert "saved run: commit 0123abcd" in lines


def test_the_table_compares_shared_rows_with_whole_windows(
    shipped_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = firmware.Firmware(
        firmware.Memory(30_000, 500, 6), firmware.Hop(0.5, 100, 250_000, 80, 85), {".text": 7}
    )
    found = dataclasses.replace(FIGURES, shared=once)
    monkeypatch.setattr(firmware, "measure", lambda sources, core, counter: found)
    monkeypatch.setattr(size, "CORES", {"m4": M4})
    path = tmp_path / "stream.tflite"
    path.write_bytes(stream_model(stream_contract(hop_frames=8)))
    lines = CliRunner().invoke(size.main, [str(path)]).output.splitlines()
    # The export uses shared rows.
    assert lines[1].split()[5] == "30,000"
    assert "the firmware at a hop of 0.128 s, in millions of instructions" in lines
    assert lines[-2].split() == ["m4", *["each", "window", "whole", "2.0", "0.00", "40,000"]]
    assert lines[-1].split() == ["each", "row", "once", "0.5", "0.00", "30,000"]
    whole = CliRunner().invoke(size.main, [str(shipped_model)]).output.splitlines()
    assert whole[-1].startswith("each row once: not possible, windows cannot share rows")


@pytest.mark.usefixtures("saved")
def test_json_has_the_figures_of_the_table(
    shipped_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "measure", lambda sources, core, counter: FIGURES)
    monkeypatch.setattr(size, "CORES", {"m4": M4})
    (tmp_path / "graph.tflite").write_bytes(RandomGraph(0).build())
    shown = [
        json.loads(CliRunner().invoke(size.main, ["--json", str(path)]).output)
        for path in (shipped_model, tmp_path / "graph.tflite")
    ]
    (figures,) = shown[0]["cores"]
    assert figures["core"] == "m4" and figures["instructions"] == 1_000_000
    assert figures["network"] == {"ram_bytes": 1, "stack_bytes": 2, "code_bytes": 3}
    assert figures["whole"]["memory"] == {"ram_bytes": 40_000, "stack_bytes": 500, "code_bytes": 6}
    assert figures["shared"] is None
    assert shown[0]["saved"]["cores"] == [dataclasses.asdict(TFLM_FIGURES)]
    assert shown[1]["saved"] is None


@pytest.mark.parametrize(("arguments", "code"), [(["no.tflite"], 1), (["--nonsense"], 2)])
def test_errors_are_reported_without_a_traceback(arguments: list[str], code: int) -> None:
    command = [sys.executable, "-m", "sernet_edge.firmware_export.measure.size", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert arguments[0] in done.stderr and "Traceback" not in done.stderr
