"""Networks with variables have the bits of TensorFlow Lite Micro."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from cores import on_core
from engine_cases import STATE_GRAPHS, tflm_outputs
from graphs import VALID
from random_networks import Graphs, check_on_core, check_on_this_computer, check_reference
from state_graphs import RandomStates
from support import Run, quickly

from sernet_edge.firmware_export import golden, tflm
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract


def wake_word(written_by: str = "CALL_ONCE") -> bytes:
    """Return a small network like microWakeWord: three new rows, and rings of older rows."""
    random = RandomStates(0)
    graph = random.graph
    last = random.reshape(graph.input((1, 3, 40), 0.1, -3), (1, 3, 1, 40))
    for kept, channels in ((2, 16), (8, 16), (12, 16)):
        handle, old = random.state((1, kept, 1, random.shape(last)[3]), last)
        rows = random.stacked([old, last])
        height = random.shape(rows)[1]
        graph.write(handle, random.rows_of(rows, height - kept, kept))
        window = (VALID, (height, 1), (1, 1))
        last = random.conv(rows, channels, window=window)
    last = random.dense(random.reshape(last, (1, 16)), 1)
    last = graph.operator("LOGISTIC", [last], graph.tensor((1, 1), 1 / 256, -128))
    if written_by == "nothing":
        del graph.started["state 2"]
    if written_by == "something computed":
        # The graph of a CALL_ONCE cannot have this value.
        graph.started["state 2"] = last
    return graph.finish(last)


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_random_graphs_have_the_bits_of_tflm(compiler: str, state_graphs: Graphs) -> None:
    check_on_this_computer(compiler, state_graphs)


@pytest.mark.parametrize("core", [on_core("m0plus"), on_core("m4"), on_core("m55")])
def test_cores_have_the_bits_of_tflm(core: str, state_graphs: Graphs) -> None:
    check_on_core(core, state_graphs)


def test_the_numpy_reference_has_the_bits_of_tflm(state_graphs: Graphs) -> None:
    check_reference(state_graphs)


def test_the_random_graphs_have_enough_of_each_operator() -> None:
    ops: dict[str, int] = {}
    follows = 0
    for seed in STATE_GRAPHS:
        data = RandomStates(seed).build()
        network = read_network(ModelFile("graph", data))
        for layer in network.layers:
            ops[layer.op] = ops.get(layer.op, 0) + 1
        # The same window twice: the outputs differ only because of the state.
        twice = np.zeros((2, network.input.height * network.input.row_bytes), np.int8)
        follows += bool(np.ptp(tflm_outputs(data, twice), axis=0).any())
    assert ops["STATE"] >= 100 and ops["ASSIGN"] >= 100 and ops["STACK"] >= 50
    assert follows >= 40


def test_golden_windows_follow_each_other() -> None:
    data, windows = wake_word(), np.random.default_rng(0).integers(-128, 128, (20, 120))
    windows = windows.astype(np.int8)
    outputs = golden.golden_outputs(ModelFile("model", data), windows)
    np.testing.assert_array_equal(outputs, tflm_outputs(data, windows))
    assert len(np.unique(outputs)) > 5


def test_states_take_the_memory_of_their_rows_and_of_one_joined_map() -> None:
    network = read_network(ModelFile("model", wake_word()))
    kept = 2 * 40 + 8 * 16 + 12 * 16
    assert network.state_bytes == kept
    assert plan_network(network).arena_bytes < kept + 6 * 40 + 2 * 2 * 13 * 16 + 200


def test_a_variable_that_is_read_before_it_is_written_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"READ_VARIABLE.*'state 2' is read before it is written"):
        read_network(ModelFile("model", wake_word("nothing")))


def test_a_variable_with_a_computed_first_value_is_refused() -> None:
    with pytest.raises(ModelError, match=r"READ_VARIABLE.*is not constant"):
        read_network(ModelFile("model", wake_word("something computed")))


def test_a_contract_whose_windows_overlap_is_refused() -> None:
    file = ModelFile("model", wake_word()).with_contract(new_contract(("a", "b"), "none", 40))
    with pytest.raises(ModelError, match="keeps a state from one window to the next"):
        PlannedModel.read(file)


FORGETS = """
#include <string.h>
#include "sernet.h"
static sernet_state state;
static int8_t row[SERNET_MODEL_INPUT_ROW_BYTES], first[8], now[8];
static void windows(int8_t *results) {
    for (int i = 0; i < 8 * SERNET_MODEL_INPUT_ROWS; i++) {
        for (unsigned k = 0; k < sizeof row; k++) row[k] = (int8_t)(37 * i + 11 * (int)k);
        if (sernet_push_row(&state, row) == 1) *results++ = *(const int8_t *)sernet_result(&state);
    }
}
int main(void) {
    sernet_init(&state);
    windows(first);
    windows(now);
    if (memcmp(first, now, sizeof now) == 0) return 1; /* nothing was kept */
    sernet_init(&state);
    windows(now);
    return memcmp(first, now, sizeof now) == 0 ? 0 : 2;
}
"""


@pytest.mark.slow
def test_an_export_passes_its_self_test_and_init_resets_the_state(
    sernet_edge: Run, tmp_path: Path
) -> None:
    model, out = tmp_path / "model.tflite", tmp_path / "out"
    model.write_bytes(wake_word())
    result = sernet_edge("export", model, "--out", out)
    assert (result.returncode, result.stderr) == (0, "")
    made = subprocess.run(["make", "check"], cwd=out, capture_output=True, text=True)
    assert "outputs that differ: 0 of 32" in made.stdout, made.stdout + made.stderr
    assert "keeps 400 bytes from one window to the next" in (out / "README.md").read_text()
    (tmp_path / "forgets.c").write_text(FORGETS)
    sources = sorted((out / "src").glob("*.c"))
    command = ["gcc", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += [f"-I{out / 'src'}", "forgets.c", *map(str, sources)]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run(["./a.out"], cwd=tmp_path).returncode == 0


def test_an_export_for_tflm_gives_the_interpreter_room_for_variables(
    sernet_edge: Run, tmp_path: Path
) -> None:
    model, out = tmp_path / "model.tflite", tmp_path / "out"
    model.write_bytes(wake_word())
    assert tflm.variables(ModelFile.read(model)) == 3
    result = sernet_edge("export", model, "--out", out, "--engine", "tflm")
    assert (result.returncode, result.stderr) == (0, "")
    assert "#define SERNET_TFLM_VARIABLES 3" in (out / "src" / "sernet_model.h").read_text()
    assert "AddAssignVariable()" in (out / "src" / "sernet_tflm_ops.h").read_text()
