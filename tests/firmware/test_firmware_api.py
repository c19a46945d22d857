"""The C interface gives the results of `Listener`, and an error for every misuse."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from api_results import MAIN, Line, results
from bundle_cases import (
    C_FOLDER,
    Samples,
    build,
    run,
    small_model,
    utterances,
    with_contract,
    with_statistics,
    write_bundle,
)
from object_files import FAST, SANITIZE, STRICT
from support import quickly

from sernet_edge.firmware_export.golden_pcm import golden_pcm
from sernet_edge.runtime import interpreter
from sernet_edge.runtime.arousal import arousal
from sernet_edge.runtime.contract import Contract, Features, Level
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.records import Result
from sernet_edge.runtime.stream import Listener
from sernet_edge.train.new_contract import new_contract


def results_of(listener: Listener, stream: Samples) -> list[Result]:
    return [record for record in listener.push(stream) if isinstance(record, Result)]


@pytest.fixture(scope="module")
def model(shipped_model: Path) -> Model:
    return interpreter.load(shipped_model)


def end_s(line: Line, contract: Contract) -> float:
    samples = (line.frames - 1) * contract.frame_step_samples + contract.frame_length_samples
    return samples / contract.sample_rate_hz


@pytest.mark.slow
def test_whole_utterances_give_the_results_of_the_listener(
    bundle: Path, model: Model, emodb: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = model.contract
    # The recordings are joined, so that the streams have many overlapping windows.
    recordings = utterances(emodb, contract, 60)
    streams = [np.concatenate(recordings[i : i + 3]) for i in range(0, 60, 3)]
    program = build(bundle, tmp_path / "program", MAIN)
    largest, exact, windows = 0.0, 0, 0
    for stream, lines in zip(streams, results(program, streams, 512, "poll"), strict=True):
        expected = results_of(Listener(model), stream)
        assert len(lines) == len(expected)
        for line, result in zip(lines, expected, strict=True):
            assert end_s(line, contract) == result.time_s
            assert contract.labels[line.label] == result.label
            scores = np.array(line.scores, np.float64).tolist()
            assert line.arousal == pytest.approx(arousal(contract, scores), abs=1e-5)
            difference = np.abs(np.array(line.scores) - list(result.scores.values())).max()
            exact += difference < 1e-6
            largest = max(largest, float(difference))
            windows += 1
    with capsys.disabled():
        print(
            f"\n{windows} results of {len(streams)} streams: labels and times equal, scores equal "
            f"in {exact}, largest difference {largest:.4f}"
        )
    # One feature in about 30,000 rounds differently, and moves a score by a step or two.
    assert exact >= 0.8 * windows
    assert largest <= 4 / 256


@pytest.mark.parametrize("count", quickly([8, 40], 1))
def test_equal_features_give_equal_scores(
    count: int, bundle: Path, model: Model, emodb: Path, tmp_path: Path
) -> None:
    contract = model.contract
    streams = utterances(emodb, contract, count)
    shape = (-1, contract.window_frames, contract.feature_count)
    features = np.frombuffer(
        run(build(bundle, tmp_path / "features", C_FOLDER / "frontend_features.c"), streams, 512),
        np.int8,
    ).reshape(shape)
    found = results(build(bundle, tmp_path / "api", MAIN), streams, 512, "poll")
    lines = [line for stream in found for line in stream]
    low, high = model.quantise(np.array([-contract.clip, contract.clip], np.float32))
    for window, line in zip(features, lines, strict=True):
        assert tuple(model.run_int8(window)) == line.int8
        assert ((window == low) | (window == high)).sum() == line.saturated


@pytest.mark.parametrize(
    ("level", "hop"),
    quickly(
        [("running", 200), ("running", 31), ("none", 200)]
        + [("window", 3), ("none", 3), ("running", 3), ("window", 31), ("none", 31)]
        + [("window", 184), ("none", 184), ("running", 184), ("window", 200)],
        1,
    ),
)
def test_neither_chunk_size_nor_time_of_polling_changes_results(
    level: str, hop: int, model: Model, shipped_model: Path, tmp_path: Path
) -> None:
    contract = model.contract.replace(level=level, hop_frames=hop)
    voice = golden_pcm(contract)
    stream = np.concatenate([voice, voice[: len(voice) // 3], voice[::-1]])
    if hop == 3:
        stream = stream[: contract.window_samples + 20 * contract.frame_step_samples]
    data = with_contract(shipped_model.read_bytes(), contract)
    program = build(write_bundle(tmp_path, data), tmp_path / "program", MAIN)
    (expected,) = results(program, [stream], 512, "poll")
    frames = len(feature_rows(FrontEnd(contract), stream))
    assert len(expected) == (frames - contract.window_frames) // hop + 1
    for chunk, way in ((1 << 20, "poll"), (256, "late"), (4001, "late"), (97, "work"), (1, "work")):
        assert results(program, [stream], chunk, way) == [expected], (chunk, way)
    listened = results_of(Listener(Model(ModelFile("model", data))), stream)
    assert [end_s(line, contract) for line in expected] == [r.time_s for r in listened]


@pytest.mark.parametrize(
    ("features", "level", "compiler"),
    quickly(
        [("mel", "window", "gcc"), ("spectrogram", "running", "clang")]
        + [("mel", "running", "gcc"), ("mel", "running", "clang"), ("mel", "window", "clang")]
        + [("spectrogram", "window", "clang"), ("spectrogram", "window", "gcc")]
        + [("spectrogram", "running", "gcc")],
        1,
    ),
)
def test_other_features_give_the_results_of_the_listener(
    features: Features, level: Level, compiler: str, tmp_path: Path
) -> None:
    contract = new_contract(("a", "b", "c"), level, 40, features).replace(hop_frames=9)
    voice = golden_pcm(contract)
    contract = with_statistics(contract, [voice])
    data = small_model(contract)
    program = build(write_bundle(tmp_path, data), tmp_path / "program", MAIN, SANITIZE, compiler)
    stream = np.concatenate([voice, voice[: len(voice) // 3], voice[::-1]])
    (lines,) = results(program, [stream], 512, "poll")
    assert results(program, [stream], 97, "work") == results(program, [stream], 4001, "late")
    assert results(program, [stream], 97, "work") == [lines]
    listened = results_of(Listener(Model(ModelFile("model", data))), stream)
    assert [end_s(line, contract) for line in lines] == [r.time_s for r in listened]
    found = np.array([line.scores for line in lines])
    expected = np.array([list(result.scores.values()) for result in listened])
    np.testing.assert_allclose(found, expected, atol=2 / 256)
    # If all results were equal, this comparison could not fail.
    assert len(np.unique(expected, axis=0)) > len(listened) // 2


@pytest.mark.parametrize(
    ("labels", "changes", "none"),
    [
        (("anger", "none", "neutral", "disgust"), {}, 1),
        (("anger", "fear", "yes", "no"), {}, 4),
        (("x", "y", "z", "anger"), {"aroused_labels": ("z", "x"), "calm_labels": ("anger",)}, 4),
    ],
)
def test_arousal_and_the_label_none_are_those_of_the_contract(
    labels: tuple[str, ...], changes: dict[str, tuple[str, ...]], none: int, tmp_path: Path
) -> None:
    contract = new_contract(labels, "none", 40).replace(**changes)
    sources = write_bundle(tmp_path, small_model(contract)) / "src"
    main = tmp_path / "arousal.c"
    main.write_text(
        '#include <stdio.h>\n#include <stdlib.h>\n#include "sernet.h"\n'
        "int main(int count, char **words) {\n"
        "    sernet_result result = {0};\n"
        "    result.label = (uint16_t)atoi(words[1]);\n"
        "    for (int i = 2; i < count; i++) result.scores[i - 2] = strtof(words[i], NULL);\n"
        '    printf("%d %.9g", SERNET_LABEL_NONE, (double)sernet_arousal(&result));\n'
        "    return 0;\n}\n"
    )
    program = tmp_path / "arousal"
    subprocess.run(
        ["gcc", *STRICT, *SANITIZE, f"-I{sources}", str(main), "-o", str(program)], check=True
    )
    rng = np.random.default_rng(0)
    for scores in [[0.0] * 4, [1.0, 0, 0, 0], *rng.dirichlet(np.ones(4), 10).tolist()]:
        for label, name in enumerate(labels):
            command = [str(program), str(label), *map(repr, scores)]
            printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
            expected = None if name == "none" else arousal(contract, scores)
            index, value = printed.split()
            assert int(index) == none
            assert float(value) == pytest.approx(-1 if expected is None else expected, abs=1e-6)


def test_a_reset_forgets_the_stream(bundle: Path, model: Model, tmp_path: Path) -> None:
    program = build(bundle, tmp_path / "program", MAIN)
    voice = np.tile(golden_pcm(model.contract), 2)
    other = voice[::-1][: len(voice) - 5000]
    after, alone = (
        results(program, [other, voice], 512, "late"),
        results(program, [voice], 9, "poll"),
    )
    assert after[1] == alone[0]


def test_hop_and_smoothing_can_be_set_when_compiling(
    bundle: Path, model: Model, tmp_path: Path
) -> None:
    options = (*FAST, "-DSERNET_EVERY_FRAMES=92", "-DSERNET_SMOOTH=0.25f")
    stream = np.tile(golden_pcm(model.contract), 3)
    (lines,) = results(build(bundle, tmp_path / "program", MAIN, options), [stream], 512, "poll")
    expected = results_of(Listener(model, hop_frames=92, smoothing=0.25), stream)
    for line, result in zip(lines, expected, strict=True):
        assert end_s(line, model.contract) == result.time_s
        np.testing.assert_allclose(line.scores, list(result.scores.values()), atol=2 / 256)


@pytest.mark.parametrize("compiler", quickly(["gcc", "clang"], 1))
def test_the_interface_is_clean_under_the_sanitizers(
    compiler: str, bundle: Path, model: Model, tmp_path: Path
) -> None:
    voice = golden_pcm(model.contract)
    stream = np.concatenate([voice, voice[: len(voice) // 3]])
    program = build(bundle, tmp_path / "results", MAIN, SANITIZE, compiler)
    assert len(results(program, [stream, voice], 300, "work")[0]) > 1
    run(build(bundle, tmp_path / "misuse", C_FOLDER / "api_misuse.c", SANITIZE, compiler), [])


def test_the_wrong_files_do_not_compile(bundle: Path, model: Model, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text('#include "sernet.h"\nint main(void) { return 0; }\n')
    contract_id = model.contract.id

    def errors(*options: str) -> str:
        command = ["gcc", "-std=c99", f"-I{bundle / 'src'}", "-fsyntax-only", *options, str(main)]
        return subprocess.run(command, capture_output=True, text=True).stderr

    assert errors(f"-DSERNET_EXPECT_CONTRACT_ID=0x{contract_id}ULL") == ""
    assert "another model's contract" in errors("-DSERNET_EXPECT_CONTRACT_ID=0x123ULL")
    assert "another version" in errors("-DSERNET_EXPECT_API_VERSION=99")
    assert "SERNET_EVERY_FRAMES" in errors("-DSERNET_EVERY_FRAMES=0")
    for name, old, new, words in (
        ("sernet_contract.h", r"TABLES_VERSION \d+", "TABLES_VERSION 99", "another version"),
        ("sernet_contract.h", "FEATURE_COUNT 40", "FEATURE_COUNT 39", "different models"),
        ("sernet_contract.h", "STRIDE_FRAMES 0", "STRIDE_FRAMES 7", "multiple or a divisor"),
    ):
        (tmp_path / name).write_text(re.sub(old, new, (bundle / "src" / name).read_text()))
        for header in (bundle / "src").glob("*.h"):
            if header.name != name:
                (tmp_path / header.name).write_text(header.read_text())
        command = ["gcc", "-std=c99", f"-I{tmp_path}", "-fsyntax-only", str(main)]
        assert words in subprocess.run(command, capture_output=True, text=True).stderr


def test_cpp_programs_can_use_the_interface(bundle: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.cpp"
    main.write_text(
        '#include "sernet.h"\n#include "sernet_selftest_features.h"\n'
        "SERNET_STATE(state);\n"
        "int main() { sernet_result r; return sernet_init(state, sizeof state) != SERNET_OK\n"
        "  || sernet_poll(state, &r) != 0 || sernet_labels[0] == nullptr; }\n"
    )
    objects = []
    for source in (*(bundle / "src").glob("*.c"), *(bundle / "src").glob("*.S")):
        objects.append(tmp_path / f"{source.name}.o")
        subprocess.run(["gcc", "-c", str(source), "-o", str(objects[-1])], check=True)
    program = tmp_path / "program"
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{bundle / 'src'}"]
    subprocess.run(["g++", *strict, str(main), *map(str, objects), "-o", str(program)], check=True)
    subprocess.run([str(program)], check=True)


@pytest.mark.slow
def test_state_and_weights_can_be_placed(bundle: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include "sernet.h"\nSERNET_STATE(state);\n'
        "int main(void) { return sernet_init(state, sizeof state); }\n"
    )
    options = (
        '-DSERNET_STATE_SECTION=__attribute__((section(".fast")))',
        '-DSERNET_WEIGHTS_SECTION=__attribute__((section(".external")))',
    )
    program = build(bundle, tmp_path / "program", main, options)
    listed = subprocess.run(
        ["size", "-A", str(program)], capture_output=True, text=True, check=True
    ).stdout
    sizes = {line.split()[0]: int(line.split()[1]) for line in listed.splitlines()[2:-2]}
    assert sizes[".external"] > 400_000
    assert sizes[".fast"] > 30_000


@pytest.mark.parametrize("features", quickly(["mfcc", "mel", "spectrogram"], 1))
def test_the_tables_are_as_large_as_the_readme_says(features: Features, tmp_path: Path) -> None:
    contract = new_contract(("a", "b"), "window", 40, features)
    bundle = write_bundle(tmp_path / "bundle", small_model(contract))
    tables = {"window", "sine", "log_table", "gain", "offset"}
    if features != "spectrogram":
        tables |= {"mel_corners", "mel_reciprocals"}
    if features == "mfcc":
        tables.add("cosine")
    # Exactly these tables: a table that is not needed must take no flash.
    source = (bundle / "src" / "sernet_contract.c").read_text()
    assert set(re.findall(r"sernet_(\w+)\[.*=", source)) == tables | {"labels"}
    main = tmp_path / "size.c"
    main.write_text(
        '#include "sernet.h"\n#include <stdio.h>\nint main(void) { printf("%d %d", (int)('
        + " + ".join(f"sizeof sernet_{table}" for table in sorted(tables))
        + "), (int)SERNET_STATE_BYTES); return 0; }\n"
    )
    program = build(bundle, tmp_path / "size", main, FAST)
    flash, state = map(int, run(program, []).split())
    readme = (bundle / "README.md").read_text()
    assert f"| front end's tables | {flash:,} |" in readme
    told = readme.split("`SERNET_STATE_BYTES` | about ")[1].split()[0]
    assert abs(int(told.replace(",", "")) - state) <= 100
