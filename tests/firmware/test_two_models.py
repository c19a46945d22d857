"""Two exports with names link into one firmware, and give the scores of each alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from bundle_cases import C_FOLDER, build, run, small_model, with_statistics, write_front_end
from click.testing import CliRunner
from cores import on_cores
from engine_cases import tflm_outputs
from merged_exports import HOST, build_and_run
from stream_graphs import stream_contract, stream_model
from support import Run

from sernet_edge.firmware_export.command import export
from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

PROGRAM = """
static void {name}_run(void) {{
    {NAME}_STATE(state);
    const {name}_golden_pcm *golden = &{name}_model_golden_pcm;
    print("{NAME} features", {name}_selftest_features(golden, state, sizeof state));
    print("{NAME} scores", sernet_selftest(&{name}_model_golden, state, sizeof state));
    {name}_init(state, sizeof state);
    const int16_t *pcm = golden->pcm;
    for (uint32_t left = {NAME}_WINDOW_SAMPLES; left > 0;) {{
        const int32_t taken = {name}_push(state, pcm, left);
        if (taken < 0) break;
        pcm += taken;
        left -= (uint32_t)taken;
        {name}_result result;
        while ({name}_poll(state, &result) == 1)
            for (int i = 0; i < {NAME}_LABEL_COUNT; i++)
                print({name}_labels[i], result.scores_int8[i]);
    }}
}}
"""
DECLARATIONS = """
#include "{name}.h"
#include "{name}_selftest_features.h"
extern const sernet_golden {name}_model_golden;
extern const {name}_golden_pcm {name}_model_golden_pcm;
"""
START = """
#include <stdint.h>
#include "board.h"
#include "sernet_selftest.h"
static void print(const char *text, int32_t number) {
    char digits[16], *at = digits + sizeof digits;
    uint32_t rest = number < 0 ? 0u - (uint32_t)number : (uint32_t)number;
    *--at = 0;
    *--at = '\\n';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) *--at = '-';
    *--at = ' ';
    board_print(text);
    board_print(at);
}
"""


def program(names: Sequence[str]) -> str:
    """Return C that prints the results of each model."""
    parts = [START]
    for template in (DECLARATIONS, PROGRAM):
        parts += [template.format(name=name, NAME=name.upper()) for name in names]
    calls = " ".join(f"{name}_run();" for name in names)
    return "".join([*parts, f"int main(void) {{ {calls} return 0; }}\n"])


Exported = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def exported(
    sernet_edge: Run, shipped_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """Export the shipped model, or a small one with other features and labels, under a name."""
    folder = tmp_path_factory.mktemp("exports")
    other = folder / "other.tflite"
    labels = ("calm", "tense")
    other.write_bytes(small_model(new_contract(labels, "none", 64, "mel")))

    def export(which: str, name: str) -> Path:
        out = folder / f"{which}-{name}"
        if not out.exists():
            model = shipped_model if which == "shipped" else other
            named = [] if name == "sernet" else ["--name", name]
            result = sernet_edge("export", model, "--out", out, *named)
            assert result.returncode == 0, result.stderr
        return out

    return export


@pytest.mark.slow
@pytest.mark.parametrize("core", ["host", "m4"])
@pytest.mark.parametrize("names", [("mood", "tension"), ("sernet", "tension")])
def test_two_models_in_one_program_give_the_results_of_each_alone(
    names: tuple[str, str], core: str, exported: Exported, tmp_path: Path
) -> None:
    which = ("shipped", "other")
    alone = [
        build_and_run(
            [exported(model, "sernet")], program(["sernet"]), core, tmp_path / model
        ).replace("SERNET", name.upper())
        for model, name in zip(which, names, strict=True)
    ]
    together = build_and_run(
        [exported(model, name) for model, name in zip(which, names, strict=True)],
        program(names),
        core,
        tmp_path / "both",
    )
    assert together == "".join(alone)
    assert f"{names[1].upper()} scores 0\n" in together
    assert len(re.findall(r"^(anger|neutral|calm|tense) -?\d+$", together, re.MULTILINE)) == 4


HEAR = """
{NAME}_STATE({name}_memory);
static void {name}_tell(void) {{
    {name}_result result;
    while ({name}_poll({name}_memory, &result) == 1) {{
        print("{name}", (int32_t)result.frames);
        for (int i = 0; i < {NAME}_LABEL_COUNT; i++) print("-", result.scores_int8[i]);
    }}
}}
static void {name}_hear(const int16_t *pcm, uint32_t count) {{
    while (count > 0) {{
        const int32_t taken = {name}_push({name}_memory, pcm, count);
        if (taken < 0) board_print("an error\\n");
        pcm += taken;
        count -= (uint32_t)taken;
        for (uint32_t parts = random(6); parts > 0 && {name}_work({name}_memory) == 1; parts--) {{}}
        if (taken == 0 || random(3) == 0) {name}_tell();
    }}
}}
"""

# Both get the same audio in turns, in random chunks and with random parts of their work.
IN_TURNS = """
int main(void) {
    const uint32_t samples = MOOD_WINDOW_SAMPLES;
    mood_init(mood_memory, sizeof mood_memory);
    tension_init(tension_memory, sizeof tension_memory);
    for (uint32_t round = 0; round < 3; round++) {
        const int16_t *pcm = mood_model_golden_pcm.pcm;
        for (uint32_t left = samples, count; left > 0; left -= count, pcm += count) {
            count = 1 + random(900);
            if (count > left) count = left;
            mood_hear(pcm, count);
            tension_hear(pcm, count);
        }
    }
    mood_tell();
    tension_tell();
    return 0;
}
"""
RANDOM = """
static uint32_t random(uint32_t below) {
    static uint32_t state = 7;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}
"""


@pytest.mark.parametrize(
    "core", [pytest.param("host", marks=pytest.mark.slow), *on_cores(["m4", "m55"])]
)
def test_models_with_shared_rows_and_with_whole_windows_have_the_scores_of_tflm_in_turns(
    core: str, tmp_path: Path
) -> None:
    stream = stream_contract(rows=12)
    voice = golden_pcm(stream)
    whole = new_contract(("calm", "even", "tense"), "running", 40, "mel").replace(hop_frames=7)
    models = {
        "mood": stream_model(with_statistics(stream, [voice])),
        "tension": small_model(with_statistics(whole, [voice])),
    }
    for name, data in models.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
        arguments = [
            str(tmp_path / f"{name}.tflite"),
            "--out",
            str(tmp_path / name),
            "--name",
            name,
        ]
        done = CliRunner().invoke(export, arguments)
        assert done.exit_code == 0, done.output
    parts = [
        template.format(name=name, NAME=name.upper())
        for template in (DECLARATIONS, HEAR)
        for name in models
    ]
    text = "".join([START, *parts[:2], RANDOM, *parts[2:], IN_TURNS])
    said = build_and_run([tmp_path / name for name in models], text, core, tmp_path)
    audio = np.tile(voice, 3)
    for name, data in models.items():
        model = Model(ModelFile("model.tflite", data))
        contract = model.contract
        front_end = write_front_end(tmp_path / f"{name} front end", model)
        features = build(front_end, tmp_path / f"{name}-features", C_FOLDER / "frontend_features.c")
        windows = np.frombuffer(run(features, [audio], 512), np.int8)
        windows = windows.reshape(-1, contract.window_frames * contract.feature_count)
        expected = tflm_outputs(data, windows)
        found = re.findall(rf"^{name} (\d+)\n((?:- -?\d+\n)+)", said, re.M)
        ends = [contract.window_frames + n * contract.hop_frames for n in range(len(windows))]
        assert [int(frames) for frames, _ in found] == ends and len(ends) > 8
        scores = [[int(score) for score in re.findall(r"-?\d+", lines)] for _, lines in found]
        np.testing.assert_array_equal(scores, expected)
        assert len(np.unique(expected, axis=0)) > 2


def test_only_the_engine_of_a_named_export_is_called_sernet(exported: Exported) -> None:
    export = exported("shipped", "mood")
    alone = {
        path.name: path.read_bytes() for path in (exported("shipped", "sernet") / "src").iterdir()
    }
    for path in (export / "src").iterdir():
        if path.name.startswith("sernet"):
            assert path.read_bytes() == alone[path.name], (
                "an engine's file is the same in all exports"
            )
        else:
            assert path.name == "mood.c" or path.name == "mood.h" or path.name.startswith("mood_")
    kept = {name for name in alone if (export / "src" / name).exists()}
    assert kept == {
        *("sernet_engine.c", "sernet_engine.h", "sernet_kernels.c", "sernet_kernels.h"),
        *("sernet_conv.c", "sernet_dot_dsp.S", "sernet_dot_helium.S"),
        *("sernet_depthwise.c", "sernet_depthwise_dsp.S", "sernet_depthwise_helium.S"),
        *("sernet_elementwise.c", "sernet_moves.c", "sernet_ring.h"),
        *("sernet_stream.c", "sernet_stream.h"),
        *("sernet_selftest.c", "sernet_selftest_stream.c", "sernet_selftest.h"),
    }


@pytest.mark.slow
def test_the_makefile_of_a_named_export_builds_everything_and_passes_the_self_test(
    exported: Exported, tmp_path: Path
) -> None:
    shutil.copytree(exported("shipped", "mood"), tmp_path / "mood")
    command = ["make", "-C", str(tmp_path / "mood"), "CFLAGS=-O2", "all", "check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sernet" not in " ".join(
        path.name for path in (tmp_path / "mood" / "build").glob("*golden*")
    )


@pytest.mark.slow
def test_a_header_has_its_own_name(in_process: Run, shipped_model: Path, tmp_path: Path) -> None:
    for name in ("mood", "sernet_mood", "tension"):
        arguments = () if name == "sernet_mood" else ("--name", name)
        out = tmp_path / f"{name}.h"
        result = in_process("export", shipped_model, "--header", out, *arguments)
        assert result.returncode == 0, result.stderr
    main = tmp_path / "main.c"
    headers = "".join(f'#include "{name}.h"\n' for name in ("mood", "sernet_mood", "tension"))
    defines = "".join(
        f"#define {name}_MODEL_IMPLEMENTATION\n" for name in ("MOOD", "SERNET", "TENSION")
    )
    main.write_text(
        f"{headers}{defines}{headers}int main(void) {{ return MOOD_MODEL_BYTES != "
        "SERNET_MODEL_BYTES || mood_model[9] != tension_model[9] || mood_labels[0][0] != 'a'; }\n"
    )
    strict = ["gcc", *cross.STRICT, "-Wno-overlength-strings", "-o", str(tmp_path / "program")]
    subprocess.run([*strict, str(main)], check=True)
    subprocess.run([str(tmp_path / "program")], check=True)


@pytest.mark.parametrize(
    "name",
    ["", "Mood", "1mood", "mood-2", "mood__2", "_mood", "sernet", "sernet_x", "string", "m" * 25],
)
def test_an_impossible_name_is_refused(
    name: str, in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    result = in_process("export", shipped_model, "--out", tmp_path / "out", "--name", name)
    assert result.returncode == 2
    assert "--name" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def beside(
    in_process: Run, exported: Exported, shipped_model: Path, tmp_path: Path
) -> Callable[[str], list[Path]]:
    """Export both models in a layout, into two folders."""

    def export(layout: str) -> list[Path]:
        folders = []
        other = exported("other", "sernet").parent / "other.tflite"
        for name, model in (("mood", shipped_model), ("tension", other)):
            arguments = ("--out", tmp_path / name, "--layout", layout, "--name", name)
            result = in_process("export", model, *arguments)
            assert result.returncode == 0, result.stderr
            folders.append(tmp_path / name)
        return folders

    return export


CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(both C ASM)
add_compile_options(-O1 -Wall -Wextra -Werror)
{parts}
add_executable(both program.c host.c mood/examples/mood_golden.c
    mood/examples/mood_golden_pcm.c tension/examples/tension_golden.c
    tension/examples/tension_golden_pcm.c)
target_include_directories(both PRIVATE . mood/src tension/src)
target_link_libraries(both {libraries})
"""

# Zephyr links all objects of all libraries.
ZEPHYR = """
set(CONFIG_MOOD y)
set(CONFIG_TENSION y)
macro(zephyr_compile_definitions_ifdef)
endmacro()
macro(zephyr_include_directories)
endmacro()
macro(zephyr_library)
endmacro()
function(zephyr_library_sources)
    foreach(source ${ARGN})
        get_filename_component(path ${source} ABSOLUTE)
        set_property(GLOBAL APPEND PROPERTY ALL ${path})
    endforeach()
endfunction()
add_subdirectory(mood/zephyr)
add_subdirectory(tension/zephyr)
get_property(all GLOBAL PROPERTY ALL)
add_library(zephyr OBJECT ${all})
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["cmake", "zephyr"])
def test_two_exports_build_unchanged_in_one_project(
    layout: str, beside: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    beside(layout)
    names = ("mood", "tension")
    parts, libraries = ZEPHYR, "zephyr"
    if layout == "cmake":
        parts = "".join(f"add_subdirectory({name})\n" for name in names)
        libraries = "mood tension"
    text = CMAKE.format(parts=parts, libraries=libraries)
    if layout == "zephyr":
        text = text.replace("/examples/", "/extras/")
    (tmp_path / "CMakeLists.txt").write_text(text)
    (tmp_path / "program.c").write_text(program(names))
    (tmp_path / "host.c").write_text(HOST)
    (tmp_path / "board.h").write_text("void board_print(const char *text);\n")
    for command in (["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(["build/both"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "MOOD scores 0\n" in done.stdout and "TENSION scores 0\n" in done.stdout


def test_manifests_and_options_of_a_named_export_have_its_name(
    beside: Callable[[str], list[Path]],
) -> None:
    mood, tension = beside("arduino")
    properties = (mood / "library.properties").read_text()
    assert "name=SernetEdge_mood\n" in properties and "includes=mood.h\n" in properties
    # Arduino links every object of a library, unless the library is an archive.
    assert "dot_a_linkage=true\n" in properties
    assert "mood_push\tKEYWORD2" in (mood / "keywords.txt").read_text()
    assert "#include <tension.h>" in (tension / "examples/Emotions/Emotions.ino").read_text()
    for path in mood.rglob("*"):
        if path.is_file():
            assert "-DSERNET_EVERY_FRAMES" not in path.read_text(), path


def test_two_zephyr_modules_have_separate_options(
    beside: Callable[[str], list[Path]], tmp_path: Path
) -> None:
    kconfiglib = pytest.importorskip("kconfiglib", reason="pip install kconfiglib")
    sources = "".join(f'source "{folder}/zephyr/Kconfig"\n' for folder in beside("zephyr"))
    (tmp_path / "Kconfig").write_text(f"config FPU\n\tbool\n\tdefault n\n\n{sources}")
    found = kconfiglib.Kconfig(str(tmp_path / "Kconfig"), warn_to_stderr=False)
    assert found.warnings == []
    found.syms["SERNET_PORTABLE"].set_value(2)
    assert found.syms["SERNET_PORTABLE"].str_value == "n"
    found.syms["TENSION"].set_value(2)
    assert found.syms["SERNET_PORTABLE"].str_value == "y"
    assert (tmp_path / "mood/zephyr/module.yml").read_text().splitlines()[1] == "name: mood"
