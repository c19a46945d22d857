"""The engine reads weights in a slow memory as rarely as RAM allows, with the same bits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cores import on_core
from engine_cases import C_FOLDER, Case, StreamCase, random_cases, stream_cases, write_cases
from graphs import RandomGraph
from host_engine import compiled, replay
from operator_graphs import RandomOperators
from stream_graphs import stream_contract, stream_model
from support import Run

from sernet_edge.firmware_export import traffic
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.plan import External, plan_network, state_bytes
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile

Written = tuple[list[Path], list[Case | StreamCase]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The engine and tables of random graphs planned for a slow memory, and the graphs."""
    cases: list[Case | StreamCase] = [*random_cases(RandomGraph, range(14))]
    cases += [*random_cases(RandomOperators, range(8)), *stream_cases(range(4))]
    return write_cases(tmp_path_factory.mktemp("external"), cases, External()), cases


def copies(case: Case | StreamCase) -> int:
    network = read_network(ModelFile(case.name, case.data))
    return sum(stage.copies_weights for stage in plan_network(network, external=External()).stages)


def test_random_graphs_have_the_bits_of_tflm(written: Written) -> None:
    sources, cases = written
    assert sum(map(copies, cases)) >= 15
    program = compiled("gcc", sources[-1].parent, sources, "gcc")
    assert f"cases {len(cases)}\n" in (output := replay(program)) and "failures 0" in output


@pytest.mark.parametrize("core", [on_core("m4"), on_core("m55")])
def test_cores_have_the_bits_of_tflm(core: str, written: Written) -> None:
    if CORES[core].missing:
        pytest.skip(f"{' and '.join(CORES[core].missing)} not installed")
    sources, _ = written
    program = sources[-1].parent / f"{core}.elf"
    cross.build(CORES[core], [*sources, C_FOLDER / "replay.c"], program)
    assert "failures 0" in cross.run(CORES[core], program).stdout


@pytest.fixture(scope="module")
def planned(shipped_model: Path) -> Callable[[External | None], PlannedModel]:
    file = ModelFile.read(shipped_model)
    return lambda external: PlannedModel.read(file, external)


def test_with_enough_ram_each_weight_is_read_once_for_a_row(
    planned: Callable[[External | None], PlannedModel],
) -> None:
    plan = planned(External()).plan
    # Weights are padded to pairs of channels, and to a multiple of 16 in each channel.
    once = sum(
        stage.steps * -(-stage.layer.weights[0].size // 16) * 16 * stage.layer.output.channels
        for stage in plan.stages
        if stage.layer.weights.size and stage.layer.op == "CONV_2D"
    )
    for core in ("m3", "m4", "m55"):
        read = traffic.window_bytes(plan, CORES[core])
        assert once <= read < 1.01 * once
        assert traffic.window_bytes(planned(None).plan, CORES[core]) > 4 * read


@pytest.mark.slow
def test_more_ram_means_fewer_reads_and_the_limit_of_ram_is_kept(
    planned: Callable[[External | None], PlannedModel],
) -> None:
    least = state_bytes(planned(None).plan)
    reads = []
    for limit in (1, 28_000, 34_000, 45_000, None):
        plan = planned(External(limit)).plan
        assert limit is None or state_bytes(plan) <= max(limit, least)
        reads.append(traffic.window_bytes(plan, CORES["m4"]))
    assert reads == sorted(reads, reverse=True) and reads[0] > 2 * reads[-1]


def test_a_stream_reads_less_than_whole_windows(tmp_path: Path) -> None:
    file = ModelFile("model", stream_model(stream_contract()))
    model = PlannedModel.read(file)
    assert model.stream is not None
    second = traffic.second_bytes(model, CORES["m4"])
    contract = file.require_contract()
    hops = 1 / (contract.hop_frames * contract.frame_step_s)
    assert second is not None
    assert second < hops * traffic.window_bytes(model.plan, CORES["m4"])


@pytest.mark.slow
def test_export_plans_for_external_weights(
    sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    options = ("--weights", "external", "--ram", 40_000)
    result = sernet_edge("export", shipped_model, "--out", tmp_path / "out", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert "weights read: " in result.stdout and "MB a second" in result.stdout
    assert "sernet_conv_copied" in (tmp_path / "out/src/sernet_model.c").read_text()
    done = subprocess.run(["make", "check"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--ram", 1000), "--ram belongs to --weights external"),
        (("--weights", "external", "--engine", "tflm"), "and the native engine"),
        (("--weights", "external", "--ram", "much"), "--ram"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: tuple[object, ...], message: str, sernet_edge: Run, shipped_model: Path, tmp_path: Path
) -> None:
    result = sernet_edge("export", shipped_model, "--out", tmp_path / "out", *options)
    assert result.returncode == 2 and message in result.stderr
