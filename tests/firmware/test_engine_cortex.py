"""The native engine computes TensorFlow Lite Micro's bits on microcontrollers, under QEMU."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cores import on_core, on_cores
from engine_cases import (
    C_FOLDER,
    Case,
    StreamCase,
    real_window_count,
    real_windows,
    write_cases,
)
from graphs import SAME, RandomGraph

from sernet_edge.firmware_export import golden
from sernet_edge.firmware_export.bundle import NATIVE_SOURCES
from sernet_edge.firmware_export.cores import CORES, Core
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.measure import cross, firmware
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile

Graphs = tuple[Path, list[Path], list[Case]]
Streams = tuple[Path, list[Path], list[StreamCase]]


@pytest.fixture(params=on_cores())
def core(request: pytest.FixtureRequest) -> Core:
    return available(CORES[request.param])


def available(core: Core) -> Core:
    if core.missing:
        pytest.skip(f"{' and '.join(core.missing)} not installed")
    return core


# The number of windows that fit a board's flash together with the network.
AT_A_TIME = 250


@pytest.fixture(scope="module")
def speech(
    shipped_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Path, list[Path], int]]:
    """The shipped model with extreme windows and, if the corpus is available, real windows."""
    data = shipped_model.read_bytes()
    inputs = golden.adversarial_windows(read_network(ModelFile("model", data)))
    corpus = os.environ.get("SERNET_EMODB")
    if corpus:
        real = real_windows(Path(corpus), shipped_model, real_window_count(7))
        inputs = np.concatenate([inputs, real])
    parts = []
    for start in range(0, len(inputs), AT_A_TIME):
        folder = tmp_path_factory.mktemp("speech")
        part = inputs[start : start + AT_A_TIME]
        parts.append((folder, write_cases(folder, [Case("shipped", data, part)]), len(part)))
    return parts


def replay(core: Core, folder: Path, sources: list[Path]) -> str:
    program = folder / f"{core.name}.elf"
    cross.build(core, [*sources, C_FOLDER / "replay.c"], program)
    done = cross.run(core, program)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def test_random_graphs_have_the_bits_of_tflm(core: Core, graphs: Graphs) -> None:
    folder, sources, cases = graphs
    output = replay(core, folder, sources)
    assert f"cases {len(cases)}\nwindows {3 * len(cases)}\nfailures 0" in output


def test_streams_have_the_bits_of_tflm_in_every_window(core: Core, streams: Streams) -> None:
    folder, sources, cases = streams
    output = replay(core, folder, sources)
    assert f"cases {len(cases)}\nwindows {21 * len(cases)}\nfailures 0" in output


@pytest.mark.timeout(7200)  # 500 windows on a core without the DSP extension take half an hour
@pytest.mark.slow
def test_the_shipped_model_has_the_bits_of_tflm(
    core: Core, speech: list[tuple[Path, list[Path], int]]
) -> None:
    for folder, sources, windows in speech:
        assert f"windows {windows}\nfailures 0" in replay(core, folder, sources)


@pytest.mark.slow
@pytest.mark.parametrize("core", on_cores(["m3", "m4", "m55"]))
def test_clang_gives_the_same_bits(core: str, graphs: Graphs) -> None:
    if shutil.which("clang") is None:
        pytest.skip("clang not installed")
    folder, sources, _ = graphs
    flags = ["-mthumb", *available(CORES[core]).flags]
    # Debian's C library for Arm belongs to GCC, so GCC must link.
    listed = subprocess.run(
        ["arm-none-eabi-gcc", "-print-sysroot"], capture_output=True, text=True, check=True
    )
    headers = next(
        path for path in (f"{listed.stdout.strip()}/include", "/usr/lib/arm-none-eabi/include")
        if Path(path, "string.h").exists()
    )  # fmt: skip
    work = folder / f"clang-{core}"
    work.mkdir()
    board = cross.BOARD_FOLDER
    include = [f"-I{folder}", f"-I{C_FOLDER}", f"-I{board}", "-isystem", headers]
    subprocess.run(
        ["clang", "--target=arm-none-eabi", *flags, "-std=c99", "-O2", "-DSERNET_BARE_METAL",
         *include, "-c", *map(str, sources), str(C_FOLDER / "replay.c")],
        check=True, cwd=work,
    )  # fmt: skip
    program, script = folder / f"clang-{core}.elf", cross.linker_script(CORES[core])
    subprocess.run(
        ["arm-none-eabi-gcc", *flags, f"-I{board}", "-nostartfiles", "--specs=nosys.specs",
         "-Wl,--gc-sections,--no-enum-size-warning", f"-L{board}", f"-T{script}",
         str(board / "board.c"), *map(str, work.glob("*.o")), "-o", str(program)],
        check=True,
    )  # fmt: skip
    done = cross.run(CORES[core], program)
    assert done.returncode == 0 and "failures 0" in done.stdout, done.stdout[-2000:]


@pytest.mark.slow
def test_a_wrong_golden_value_is_noticed(shipped_model: Path, tmp_path: Path) -> None:
    file = ModelFile.read(shipped_model)
    network = read_network(file)
    inputs = golden.adversarial_windows(network)[:1]
    sources = write_cases(tmp_path, [Case("shipped", file.data, inputs)])
    wrong = golden.golden_outputs(file, inputs) ^ 1
    (tmp_path / "shipped_golden.c").write_text(
        golden.golden_source(network, inputs, wrong, "shipped")
    )
    core, program = available(CORES["m4"]), tmp_path / "m4.elf"
    cross.build(core, [*sources, C_FOLDER / "replay.c"], program)
    done = cross.run(core, program)
    assert done.returncode == 1 and "failures 1" in done.stdout


def test_the_engine_calls_nothing_but_memcpy_and_memset(core: Core, tmp_path: Path) -> None:
    for name in NATIVE_SOURCES:
        (tmp_path / name).write_text(engine_file(name))
    objects = []
    for name in (name for name in NATIVE_SOURCES if not name.endswith(".h")):
        objects.append(tmp_path / f"{name}.o")
        command = [*core.compiler, *core.flags, "-O2", "-c"]
        subprocess.run(
            [*command, str(tmp_path / name), "-o", str(objects[-1])], check=True, cwd=tmp_path
        )
    listed = subprocess.run(
        [core.compiler[0].replace("gcc", "nm"), "-u", *map(str, objects)],
        check=True,
        capture_output=True,
        text=True,
    )
    undefined = {line.split()[-1] for line in listed.stdout.splitlines() if " U " in line}
    outside = {name for name in undefined if not name.startswith("sernet_")}
    # Multiplication and division, for which a small core has no instructions.
    arithmetic = {f"__aeabi_{name}" for name in ("idiv", "idivmod", "uidiv", "uidivmod", "lmul")}
    assert outside <= {"memcpy", "memset"} | arithmetic


@pytest.mark.parametrize(
    ("core", "instructions"), [on_core("m4", 165_000_000), on_core("m55", 38_000_000)]
)
@pytest.mark.slow
def test_the_shipped_model_stays_within_its_budget(
    core: str, instructions: int, shipped_model: Path, tmp_path: Path
) -> None:
    planned = PlannedModel.read(ModelFile.read(shipped_model))
    sources = firmware.write_sources(planned, tmp_path)
    counter = cross.build_counter(tmp_path)
    measured = firmware.measure(sources, available(CORES[core]), counter)
    assert measured.network.ram_bytes <= 26_000
    assert measured.network.code_bytes <= 14 * 1024
    assert measured.instructions <= instructions
    assert measured.exported is not None
    assert measured.exported.memory.ram_bytes <= 37_000


@pytest.mark.parametrize(("core", "per_mac"), [on_core("m4", 7.0), on_core("m55", 2.7)])
def test_several_outputs_for_each_channel_take_few_more_instructions_than_one(
    core: str, per_mac: float, tmp_path: Path
) -> None:
    random, multiple = RandomGraph(1), 2
    source = random.graph.input((1, 40, 10, 16), 0.1, 3)
    shape = (1, 3, 3, 16 * multiple)
    weights, _ = random._weights(source, shape, 3, 9, 0.1)
    made = random.graph.tensor((1, 40, 10, 16 * multiple), 0.1, 0)
    options = {
        "Padding": SAME, "StrideH": 1, "StrideW": 1, "DepthMultiplier": multiple,
        "DilationHFactor": 1, "DilationWFactor": 1,
    }  # fmt: skip
    random.graph.operator(
        "DEPTHWISE_CONV_2D", [source, *weights], made, "DepthwiseConv2DOptions", options
    )
    data = random.graph.finish(random.mean(made, (1, 2), keep_dims=False))
    planned = PlannedModel.read(ModelFile("multiple", data))
    sources = firmware.write_sources(planned, tmp_path)
    counter = cross.build_counter(tmp_path)
    measured = firmware.measure(sources, available(CORES[core]), counter)
    assert planned.plan.stages[1].layer.op == "DEPTHWISE_CONV_2D"
    assert measured.layers[1] < per_mac * planned.plan.stages[1].layer.macs
