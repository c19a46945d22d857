"""`sernet-edge export` writes the network alone for models without a contract."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from cores import on_core
from engine_cases import tflm_outputs
from graphs import SAME, RandomGraph
from merged_exports import build_and_run
from operator_graphs import RandomOperators
from support import Run, quickly

from sernet_edge.firmware_export.layout import LAYOUTS
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.network_bundle import tflm_network_bundle_files
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


def keyword_spotter(seed: int = 5) -> bytes:
    """Return a small network like DS-CNN: a flat input, separable convolutions, four words."""
    random = RandomGraph(seed)
    last = random.reshape(random.graph.input((1, 250), 0.1, 3), (1, 25, 10, 1))
    last = random.conv(last, 8, window=(SAME, (5, 4), (2, 2)))
    last = random.conv(random.depthwise(last), 8, window=(SAME, (1, 1), (1, 1)))
    last = random.mean(last, (1, 2), keep_dims=False)
    return random.graph.finish(random.softmax(random.dense(last, 4)))


def uint8_model() -> bytes:
    """Return the first random network with uint8 input and output."""
    for seed in range(200):
        data = RandomOperators(seed).build()
        network = read_network(ModelFile("model", data))
        if network.input.is_unsigned and network.output.is_unsigned:
            return data
    raise AssertionError("no random network has such ends")


MODELS: dict[str, Callable[[], bytes]] = {
    "keywords": keyword_spotter,
    "other": lambda: keyword_spotter(11),
    "bytes": uint8_model,
}

Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def exported(sernet_edge: Run, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Export a model with options; return the folder."""
    folder = tmp_path_factory.mktemp("networks")

    def export(which: str, *options: str) -> Path:
        out = folder / "-".join([which, *options])
        if not out.exists():
            model = folder / f"{which}.tflite"
            model.write_bytes(MODELS[which]())
            result = sernet_edge("export", model, "--out", out, *options)
            assert (result.returncode, result.stderr) == (0, "")
            assert "no contract" in result.stdout
        return out

    return export


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.mark.parametrize("which", quickly(["keywords", "bytes"], 1))
def test_the_self_test_passes_and_the_demo_prints_the_outputs_of_tflm(
    which: str, exported: Exported, tmp_path: Path
) -> None:
    bundle, data = exported(which), MODELS[which]()
    assert "outputs that differ: 0 of" in run("make", "check", cwd=bundle)
    run("make", cwd=bundle)
    network = read_network(ModelFile("model", data))
    size = network.input.height * network.input.row_bytes
    windows = np.random.default_rng(2).integers(-128, 128, (3, size)).astype(np.int8)
    windows.tofile(tmp_path / "rows.bin")
    said = run("./demo_host", tmp_path / "rows.bin", cwd=bundle)
    expected = tflm_outputs(data, windows)
    if network.output.is_unsigned:
        expected = expected.view(np.uint8)
    real = network.output.scale * (expected.astype(np.float32) - network.output.zero_point)
    for line, values in zip(said.splitlines(), real, strict=True):
        assert line.split()[2:] == [f"{value:.4f}" for value in values]


def test_the_demo_names_what_is_wrong_with_a_file(exported: Exported, tmp_path: Path) -> None:
    bundle = exported("keywords")
    run("make", cwd=bundle)
    for content, message in ((bytes(13), "within a row of 10"), (bytes(20), "has 2 rows")):
        (tmp_path / "rows.bin").write_bytes(content)
        done = subprocess.run(
            ["./demo_host", str(tmp_path / "rows.bin")], cwd=bundle, capture_output=True, text=True
        )
        assert done.returncode == 1 and message in done.stderr


MISUSE = """
#include <string.h>
#include "sernet.h"
static sernet_state state;
static const sernet_input_value row[SERNET_MODEL_INPUT_ROW_BYTES];
int main(void) {
    memset(&state, 0xA5, sizeof state);
    if (sernet_push_row(&state, row) != SERNET_ERROR_STATE) return 1;
    if (sernet_result(&state) != NULL) return 2;
    if (sernet_init(NULL) != SERNET_ERROR_NULL) return 3;
    if (sernet_init(&state) != 0 || sernet_push_row(&state, NULL) != SERNET_ERROR_NULL) return 4;
    for (int window = 0; window < 2; window++)
        for (int i = 0; i < SERNET_MODEL_INPUT_ROWS; i++) {
            if (window == 0 && i > 0 && sernet_result(&state) != NULL) return 5;
            const int last = i + 1 == SERNET_MODEL_INPUT_ROWS;
            if (sernet_push_row(&state, row) != last) return 6;
            if ((sernet_result(&state) != NULL) != last) return 7;
        }
    return 0;
}
"""


def test_wrong_use_is_an_error_code_and_windows_follow_each_other(
    exported: Exported, tmp_path: Path
) -> None:
    (tmp_path / "misuse.c").write_text(MISUSE)
    sources = sorted((exported("keywords") / "src").glob("*.c"))
    sanitize = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    include = f"-I{exported('keywords') / 'src'}"
    run("gcc", *cross.STRICT, *sanitize, include, tmp_path / "misuse.c", *sources, cwd=tmp_path)
    run("./a.out", cwd=tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_filled_in_for_a_network(layout: str, exported: Exported) -> None:
    folder = exported("keywords", "--layout", layout)
    text = {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in ("", ".o") or path.name in ("Kconfig", "Makefile")
    }
    plain = exported("keywords") / "src"
    assert {path.name for path in (folder / "src").iterdir()} == {p.name for p in plain.iterdir()}
    for path, content in text.items():
        assert not re.search(r"@[A-Z]+@?", content), path
        # The texts mention no front end, no audio and no emotions.
        assert not re.search(r"golden_pcm|frontend|FIXED_POINT|[Ee]motion|microphone", content), (
            path
        )


def test_the_build_of_a_layout_finds_its_files(exported: Exported, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    folder = exported("keywords", "--layout", "cmake")
    run("cmake", "-S", folder, "-B", tmp_path, cwd=tmp_path)
    run("cmake", "--build", tmp_path, cwd=tmp_path)
    assert "100% tests passed" in run("ctest", cwd=tmp_path)


START = """
#include <stdint.h>
#include "board.h"
#include "sernet_selftest.h"
static void report(const char *name, int32_t differing) {
    board_print(name);
    board_print(differing == 0 ? " agrees\\n" : " DIFFERS\\n");
}
"""
PART = """
#include "{name}.h"
extern const sernet_golden {name}_model_golden;
static {name}_state {name}_memory;
static void {name}_run(void) {{
    const sernet_golden *golden = &{name}_model_golden;
    uint64_t *net = {name}_memory.net;
    report("{name} self-test", sernet_selftest(golden, net, sizeof {name}_memory.net));
    int32_t differing = {name}_init(&{name}_memory);
    const int8_t *row = golden->inputs;
    for (int i = 0; i < {NAME}_MODEL_INPUT_ROWS; i++, row += {NAME}_MODEL_INPUT_ROW_BYTES)
        {name}_push_row(&{name}_memory, row);
    for (int i = 0; i < {NAME}_MODEL_OUTPUT_BYTES; i++)
        differing += {name}_result(&{name}_memory)[i] != golden->outputs[i];
    report("{name} rows", differing);
}}
"""


def program(names: Sequence[str]) -> str:
    """Return C that checks each network's golden outputs."""
    parts = [START, *(PART.format(name=name, NAME=name.upper()) for name in names)]
    calls = " ".join(f"{name}_run();" for name in names)
    return "".join(parts) + f"int main(void) {{ {calls} return 0; }}\n"


@pytest.mark.parametrize(
    "core", [pytest.param("host", marks=pytest.mark.slow), on_core("m4"), on_core("m55")]
)
def test_two_networks_in_one_firmware_give_the_outputs_of_each_alone(
    core: str, exported: Exported, tmp_path: Path
) -> None:
    names = ("wake", "spotter")
    exports = [
        exported(which, "--name", name)
        for which, name in zip(("keywords", "other"), names, strict=True)
    ]
    assert build_and_run(exports, program(names), core, tmp_path).split("\n")[:-1] == [
        f"{name} {what} agrees" for name in names for what in ("self-test", "rows")
    ]


def test_an_export_for_tflm_has_the_same_interface(exported: Exported) -> None:
    folder = exported("keywords", "--engine", "tflm")
    native = exported("keywords")
    for path in ("src/sernet.h", "src/sernet.c", "examples/selftest.c", "examples/demo_host.c"):
        assert (folder / path).read_text() == (native / path).read_text()
    ours, theirs = ((f / "src/sernet_model.h").read_text() for f in (native, folder))
    for line in re.findall(r"^#define SERNET_MODEL_OUTPUT.*$", ours, re.M):
        assert line in theirs
    golden = (folder / "examples/sernet_golden.c").read_text()
    outputs = re.search(r"sernet_model_outputs\[\] = {(.*?)}", golden, re.S)
    assert outputs is not None and outputs[1] in (native / "examples/sernet_golden.c").read_text()


def test_an_export_for_tflm_takes_operators_that_the_engine_refuses() -> None:
    random = RandomGraph(3)
    last = random.conv(random.graph.input((1, 8, 6, 2), 0.1, 3), 2)
    entry = random.graph.entries[last]
    made = random.graph.tensor(entry.shape, entry.scales[0], entry.zero_point)
    last = random.graph.operator("ABS", [last], made)
    texts = tflm_network_bundle_files(ModelFile("model", random.graph.finish(last)))
    assert "AddAbs" in texts["src/sernet_tflm_ops.h"]
    assert not re.search(r"@[A-Z]+@?", texts["README.md"] + texts["CMakeLists.txt"])


def test_a_float_model_is_refused_by_both_engines(in_process: Run, tmp_path: Path) -> None:
    from odd_graphs import of_type

    (tmp_path / "float.tflite").write_bytes(of_type("FLOAT32"))
    for options in ([], ["--engine", "tflm"]):
        result = in_process(
            "export", tmp_path / "float.tflite", "--out", tmp_path / "out", *options
        )
        assert result.returncode == 1 and "FLOAT32" in result.stderr
        assert "convert the model again, with all tensors in int8" in result.stderr
        assert len(result.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()
