"""Compilers and TensorFlow Lite Micro read the C header, and find the model's data in it."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite_micro
from bundle_cases import small_model
from micro_contracts import MICRO_SPEECH, micro_contract
from psf_contracts import psf_contract
from support import quickly

from sernet_edge import __version__
from sernet_edge.firmware_export.header import model_header
from sernet_edge.runtime.contract import Contract, Features
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

_WARNINGS = [
    *("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wshadow", "-Wundef"),
    *("-Wmissing-declarations", "-Wcast-qual"),
]
_COMPILERS = {
    "gcc C99": ["gcc", "-std=c99"],
    "clang C++14": ["clang", "-x", "c++", "-std=c++14", "-Wmissing-variable-declarations"],
    "gcc C11": ["gcc", "-std=c11"],
    "gcc C++14": ["g++", "-x", "c++", "-std=c++14"],
    "clang C99": ["clang", "-std=c99", "-Wmissing-variable-declarations"],
    "clang C11": ["clang", "-std=c11", "-Wmissing-variable-declarations"],
}

# The source file that defines the data; including the header before and after must be harmless.
_DATA_C = """
#include "model.h"
#define SERNET_MODEL_IMPLEMENTATION
#include "model.h"
#include "model.h"
"""

# Another that only declares it, and says what it sees: the facts as JSON on standard output,
# floats as their 32 bits, and the model's bytes into the file named.
_MAIN_C = """
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "model.h"
#include "model.h"

#if SERNET_CONTRACT_ID_U64 != 0x{id}
#error "the contract's id cannot be compared in #if"
#endif

static void print_float(const char *name, float value)
{{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    printf("\\"%s\\": %lu,\\n", name, (unsigned long)bits);
}}

static void print_vector(const char *name, const float *values, size_t count)
{{
    size_t n;
    printf("\\"%s\\": [", name);
    for (n = 0; n < count; n++) {{
        uint32_t bits;
        memcpy(&bits, &values[n], sizeof bits);
        printf("%s%lu", n ? ", " : "", (unsigned long)bits);
    }}
    printf("],\\n");
}}

int main(int count, char **arguments)
{{
    static const int sides[] = SERNET_AROUSAL_SIDES;
    static const int input_shape[] = SERNET_INPUT_SHAPE;
    static const int output_shape[] = SERNET_OUTPUT_SHAPE;
    FILE *file = count == 2 ? fopen(arguments[1], "wb") : NULL;
    size_t n;
    const char *byte;
    if (!file || fwrite(sernet_model, 1, sizeof sernet_model, file) != SERNET_MODEL_BYTES)
        return 1;
    if (fclose(file))
        return 1;
    printf("{{\\n");
{prints}
    print_vector("mean", sernet_mean, sizeof sernet_mean / sizeof *sernet_mean);
    print_vector("std", sernet_std, sizeof sernet_std / sizeof *sernet_std);
    printf("\\"labels\\": [");
    for (n = 0; n < SERNET_LABEL_COUNT; n++) {{
        printf("%s[", n ? ", " : "");
        for (byte = sernet_labels[n]; *byte; byte++)
            printf("%s%d", byte == sernet_labels[n] ? "" : ", ", (unsigned char)*byte);
        printf("]");
    }}
    printf("],\\n\\"arousal_sides\\": [");
    for (n = 0; n < SERNET_LABEL_COUNT; n++)
        printf("%s%d", n ? ", " : "", sides[n]);
    printf("],\\n\\"input_shape\\": [%d, %d, %d, %d],\\n\\"output_shape\\": [%d, %d],\\n",
           input_shape[0], input_shape[1], input_shape[2], input_shape[3],
           output_shape[0], output_shape[1]);
    printf("\\"misalignment\\": %d\\n}}\\n", (int)((uintptr_t)sernet_model % 16));
    return 0;
}}
"""

_INTEGERS = [
    "LABEL_NONE",
    "HAS_AROUSAL",
    "CONTRACT_VERSION",
    "SAMPLE_RATE_HZ",
    "SAMPLE_SCALE",
    "FRAME_LENGTH_SAMPLES",
    "FRAME_STEP_SAMPLES",
    "FFT_SIZE",
    "WINDOW_FUNCTION",
    "FIRST_BIN",
    "MEL_BANDS",
    "MFCC_COUNT",
    "FEATURE_COUNT",
    "FEATURES",
    "LEVEL",
    "LEVEL_FRAMES",
    "WINDOW_FRAMES",
    "WINDOW_SAMPLES",
    "HOP_FRAMES",
    "STRIDE_FRAMES",
    "RECEPTIVE_FRAMES",
    "LABEL_COUNT",
    "MODEL_BYTES",
    "MODEL_IS_INT8",
    "SAMPLE_SCALE_INT16",
    "SAMPLE_SCALE_UNIT",
    "WINDOW_FUNCTION_HANN_PERIODIC",
    "FEATURES_MFCC",
    "FEATURES_MEL",
    "FEATURES_SPECTROGRAM",
    "FEATURES_MICRO",
    "LEVEL_NONE",
    "LEVEL_RUNNING",
    "LEVEL_WINDOW",
    "LEVEL_CLIP",
]
_INT8_INTEGERS = ["INPUT_ZERO_POINT", "OUTPUT_ZERO_POINT"]
_FLOATS = [
    *("MEL_LOW_HZ", "MEL_HIGH_HZ", "ENERGY_FLOOR", "CLIP"),
    *("SMOOTHING", "UNSURE_BELOW", "DRIFT_LIMIT"),
]
_INT8_FLOATS = ["INPUT_SCALE", "OUTPUT_SCALE"]
_SYMBOLS = {"sernet_model", "sernet_labels", "sernet_mean", "sernet_std"}
_STRINGS = ["CONTRACT_ID", "MODEL_GENERATOR"]


def _build_and_run(
    folder: Path, header: str, contract_id: str, compiler: str = "gcc C99", is_int8: bool = True
) -> tuple[dict[str, Any], bytes]:
    """Compile two sources that include `header`, run the program; return its facts and bytes."""
    # Some belong to one kind of features; of those that a test asks for none can be missing.
    integers, floats = (
        [name for name in names if f"define SERNET_{name} " in header]
        for names in (_INTEGERS + is_int8 * _INT8_INTEGERS, _FLOATS + is_int8 * _INT8_FLOATS)
    )
    prints = (
        [f'    printf("\\"{name}\\": %ld,\\n", (long)SERNET_{name});' for name in integers]
        + [f'    print_float("{name}", SERNET_{name});' for name in floats]
        + [f'    printf("\\"{name}\\": \\"%s\\",\\n", SERNET_{name});' for name in _STRINGS]
    )
    (folder / "model.h").write_text(header, encoding="ascii")
    (folder / "data.c").write_text(_DATA_C)
    main = _MAIN_C.format(id=contract_id, prints="\n".join(prints))
    (folder / "main.c").write_text(main)
    command = [*_COMPILERS[compiler], *_WARNINGS, "main.c", "data.c", "-o", "program"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    ran = subprocess.run(
        ["./program", "bytes"], cwd=folder, capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout), (folder / "bytes").read_bytes()


def _bits(values: Any) -> Any:
    """Return the float32 bits of `values`, in the form that the C program prints."""
    return np.asarray(values, np.float32).view(np.uint32).tolist()


@pytest.fixture(scope="module")
def shipped(shipped_model: Path) -> ModelFile:
    return ModelFile.read(shipped_model)


@pytest.fixture(scope="module")
def shipped_header(shipped: ModelFile) -> str:
    return model_header(shipped)


@pytest.mark.parametrize("compiler", quickly(_COMPILERS, 2))
def test_c_reads_the_same_facts_from_the_header_as_python_from_the_model(
    compiler: str, shipped: ModelFile, shipped_header: str, tmp_path: Path
) -> None:
    model = Model(shipped)
    contract = model.contract
    facts, data = _build_and_run(tmp_path, shipped_header, contract.id, compiler)

    assert data == shipped.flatbuffer
    assert len(data) == facts["MODEL_BYTES"] < len(shipped.data)
    assert facts["misalignment"] == 0
    assert facts["MODEL_GENERATOR"] == f"sernet-edge {__version__}"
    assert facts["CONTRACT_ID"] == contract.id
    assert facts["MODEL_IS_INT8"] == 1
    assert facts["INPUT_SCALE"] == _bits(model.input_scale)
    assert facts["INPUT_ZERO_POINT"] == model.input_zero_point
    assert facts["OUTPUT_SCALE"] == _bits(model.output_scale)
    assert facts["OUTPUT_ZERO_POINT"] == model.output_zero_point
    assert facts["input_shape"] == [1, contract.window_frames, contract.feature_count, 1]
    assert facts["output_shape"] == [1, len(contract.labels)]
    assert facts["LABEL_COUNT"] == len(contract.labels)
    assert facts["WINDOW_SAMPLES"] == contract.window_samples
    assert facts["mean"] == _bits(contract.mean)
    assert facts["std"] == _bits(contract.std)
    assert [bytes(label).decode() for label in facts["labels"]] == list(contract.labels)
    # All other fields of the contract, so that this test fails when the contract gains a field.
    assert facts["LABEL_NONE"] == contract.none_index
    assert facts["HAS_AROUSAL"] == 1
    assert facts["arousal_sides"] == list(contract.arousal_sides or ())
    # Settings that this model does not have; the next test has them.
    absent = {"preemphasis", "lifter", "first_feature", "micro_frontend"}
    elsewhere = absent | {
        "labels",
        "mean",
        "std",
        "provenance",
        "taught",
        "aroused_labels",
        "calm_labels",
    }
    for field in set(Contract.__dataclass_fields__) - elsewhere:
        value = getattr(contract, field)
        if field == "version":
            assert facts["CONTRACT_VERSION"] == value
        elif isinstance(value, str):
            assert facts[field.upper()] == facts[f"{field}_{value}".upper()]
        else:
            expected = _bits(value) if field.upper() in _FLOATS else value
            assert facts[field.upper()] == expected


def test_the_header_has_the_settings_that_few_contracts_have(shipped_header: str) -> None:
    names = ("SERNET_PREEMPHASIS", "SERNET_LIFTER", "SERNET_FIRST_FEATURE_IS_ENERGY")
    assert not any(name in shipped_header for name in names)
    header = model_header(ModelFile("model.tflite", small_model(psf_contract("defaults"))))
    for name, value in zip(names, ("0.97f", "22", "1"), strict=True):
        assert f"#define {name} {value}\n" in header
    assert "#define SERNET_WINDOW_FUNCTION SERNET_WINDOW_FUNCTION_RECTANGLE\n" in header


def test_the_header_has_the_settings_of_the_micro_frontend(
    shipped_header: str, tmp_path: Path
) -> None:
    assert "SERNET_MICRO_" not in shipped_header
    contract = micro_contract(**MICRO_SPEECH, divisor=666)
    header = model_header(ModelFile("model.tflite", small_model(contract, zero_point=-128)))
    facts, _ = _build_and_run(tmp_path, header, contract.id)
    assert facts["FEATURES"] == facts["FEATURES_MICRO"]
    assert facts["FEATURE_COUNT"] == facts["MEL_BANDS"] == 40
    assert facts["input_shape"] == [1, 49, 40, 1]
    for name, value in (
        ("SMOOTHING_BITS", "10"), ("ODD_SMOOTHING", "0.06f"), ("ENABLE_PCAN", "1"),
        ("PCAN_OFFSET", "80.0f"), ("SCALE_SHIFT", "6"), ("DIVISOR", "666"),
    ):  # fmt: skip
        assert f"#define SERNET_MICRO_{name} {value}\n" in header
    # These features do not use them.
    assert "SERNET_WINDOW_FUNCTION" not in header and "SERNET_ENERGY_FLOOR" not in header


@pytest.mark.parametrize("features", ["mel", "spectrogram"])
def test_the_header_describes_other_features(features: Features, tmp_path: Path) -> None:
    contract = new_contract(("a", "b"), "window", 20, features)
    header = model_header(ModelFile("model.tflite", small_model(contract)))
    facts, _ = _build_and_run(tmp_path, header, contract.id)
    assert facts["FEATURES"] == facts[f"FEATURES_{features.upper()}"]
    assert facts["FEATURE_COUNT"] == len(facts["mean"]) == contract.feature_count
    assert facts["input_shape"] == [1, 20, contract.feature_count, 1]
    assert facts.get("MEL_BANDS") == (64 if features == "mel" else None)
    assert facts.get("FIRST_BIN") == (6 if features == "spectrogram" else None)
    assert "MFCC_COUNT" not in facts


@pytest.mark.parametrize("step", quickly([60, 10], 1))
def test_tflm_gives_the_scores_of_tflite_with_the_headers_bytes(
    step: int, emodb: Path, shipped: ModelFile, shipped_header: str, tmp_path: Path
) -> None:
    model = Model(shipped)
    contract = model.contract
    _, data = _build_and_run(tmp_path, shipped_header, contract.id)
    tflm = tflite_micro.runtime.Interpreter.from_bytes(data)
    front_end = FrontEnd(contract)
    outputs = set()
    recordings = sorted((emodb / "wav").glob("*.wav"))[::step]
    assert len(recordings) >= 500 / step
    for path in recordings:
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        samples = np.pad(samples, (0, max(0, contract.window_samples - len(samples))))
        rows = feature_rows(front_end, samples)[: contract.window_frames]
        features = model.quantise(front_end.window_features(rows))
        tflm.set_input(features[None, :, :, None], 0)
        tflm.invoke()
        scores = tflm.get_output(0)[0]
        np.testing.assert_array_equal(scores, model.run_int8(features))
        outputs.add(scores.tobytes())
    # If all scores were equal, this comparison could not fail.
    assert len(outputs) > len(recordings) // 2


def test_only_the_file_that_defines_the_implementation_holds_the_data(
    shipped_header: str, tmp_path: Path
) -> None:
    (tmp_path / "model.h").write_text(shipped_header)
    use = '#include "model.h"\nint first(void);\nint first(void) { return sernet_model[0]; }\n'
    symbols = {}
    for name, source in {"declares": use, "defines": _DATA_C}.items():
        (tmp_path / f"{name}.c").write_text(source)
        subprocess.run(["gcc", "-c", f"{name}.c"], cwd=tmp_path, check=True)
        listing = subprocess.run(
            ["nm", f"{name}.o"], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout
        symbols[name] = set(re.findall(r"(\w) (sernet_\w+)", listing))
    assert symbols["declares"] == {("U", "sernet_model")}
    # R: read-only, so that it stays in flash; the labels hold addresses, which a PC's
    # position-independent programs must relocate at their start.
    assert {name for _, name in symbols["defines"]} == _SYMBOLS
    assert {kind for kind, name in symbols["defines"] if name != "sernet_labels"} == {"R"}


@pytest.mark.parametrize(("data", "main"), [("c", "cpp"), ("cpp", "c")])
def test_c_and_cpp_files_share_one_copy(
    data: str, main: str, shipped_header: str, tmp_path: Path
) -> None:
    (tmp_path / "model.h").write_text(shipped_header)
    (tmp_path / f"data.{data}").write_text(_DATA_C)
    (tmp_path / f"main.{main}").write_text(
        '#include "model.h"\n'
        "int main(void) { return sernet_model[0] + *sernet_labels[0] + (int)*sernet_mean == -1; }\n"
    )
    for source in (f"data.{data}", f"main.{main}"):
        compiler = "g++" if source.endswith("cpp") else "gcc"
        subprocess.run([compiler, "-c", source, "-o", f"{source}.o"], cwd=tmp_path, check=True)
    objects = [f"data.{data}.o", f"main.{main}.o"]
    subprocess.run(["g++", *objects, "-o", "program"], cwd=tmp_path, check=True)
    subprocess.run(["./program"], cwd=tmp_path, check=True)


def test_labels_with_characters_special_in_c_survive(shipped: ModelFile, tmp_path: Path) -> None:
    labels = ('say "no"', "back\\slash", "what??/n??'", "Überraschung", "喜び7", "%s */ //")
    labels += ("é0", "¿")
    contract = shipped.require_contract().replace(labels=labels)
    file = shipped.with_contract(contract)
    for compiler in ("gcc C99", "clang C++14"):
        facts, _ = _build_and_run(tmp_path, model_header(file), contract.id, compiler)
        assert [bytes(label).decode() for label in facts["labels"]] == list(labels)


def test_every_float_reads_back_as_pythons_float32(shipped: ModelFile, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    contract = shipped.require_contract()
    count = contract.feature_count
    std = np.exp(rng.uniform(-60, 60, count)).tolist()
    awkward = [0.1, 1 / 3, 1e-38, 3.4028234e38, 16777217.0, 1e-6, -0.0, 4e-41]
    mean = [*awkward, *rng.normal(0, 100, count - len(awkward)).tolist()]
    contract = contract.replace(mean=tuple(mean), std=tuple(std), smoothing=0.3, clip=2.7)
    file = shipped.with_contract(contract)
    for compiler in ("gcc C99", "clang C11"):
        facts, _ = _build_and_run(tmp_path, model_header(file), contract.id, compiler)
        assert facts["mean"] == _bits(mean)
        assert facts["std"] == _bits(std)
        assert facts["SMOOTHING"] == _bits(0.3)
        assert facts["CLIP"] == _bits(2.7)


@pytest.mark.parametrize("value", [1e39, 1e-50])
def test_a_number_beyond_float32_is_refused(value: float, shipped: ModelFile) -> None:
    contract = shipped.require_contract().replace(energy_floor=value)
    file = shipped.with_contract(contract)
    with pytest.raises(ContractError, match=re.escape(repr(value))):
        model_header(file)


def test_the_text_depends_only_on_the_content_of_the_model(
    shipped: ModelFile, shipped_header: str
) -> None:
    assert (
        model_header(dataclasses.replace(shipped, name="elsewhere/another.tflite"))
        == shipped_header
    )


@pytest.mark.parametrize("compiler", quickly(_COMPILERS, 2))
def test_two_models_in_one_source_file_are_an_error(
    compiler: str, shipped: ModelFile, shipped_header: str, tmp_path: Path
) -> None:
    contract = shipped.require_contract()
    flatbuffer = bytearray(shipped.flatbuffer)
    flatbuffer[300_000] ^= 1  # another weight
    other = model_header(ModelFile("other.tflite", bytes(flatbuffer)).with_contract(contract))
    (tmp_path / "one.h").write_text(shipped_header)
    (tmp_path / "same.h").write_text(shipped_header)
    (tmp_path / "other.h").write_text(other)
    command = [*_COMPILERS[compiler], "-fsyntax-only", "-Werror", "-Wall", "-Wextra", "two.c"]
    for second, accepted in (("same.h", True), ("other.h", False)):
        (tmp_path / "two.c").write_text(f'#include "one.h"\n#include "{second}"\n')
        built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (built.returncode == 0) == accepted, built.stderr
    assert "two different models' headers" in built.stderr


_FLOAT_MODEL = """
import sys
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec((1, {frames}, {mfcc}, 1), tf.float32)])
def scores(x):
    return tf.nn.softmax(tf.reshape(x, (1, -1))[:, :{labels}])

function = scores.get_concrete_function()
converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
open(sys.argv[1], "wb").write(converter.convert())
"""


@pytest.mark.slow
def test_a_float_models_header_has_no_scales(shipped: ModelFile, tmp_path: Path) -> None:
    contract = shipped.require_contract()
    code = _FLOAT_MODEL.format(
        frames=contract.window_frames, mfcc=contract.feature_count, labels=len(contract.labels)
    )
    bare = tmp_path / "float.tflite"
    subprocess.run([sys.executable, "-c", code, str(bare)], check=True, capture_output=True)
    header = model_header(ModelFile.read(bare).with_contract(contract))
    facts, data = _build_and_run(tmp_path, header, contract.id, is_int8=False)
    assert data == bare.read_bytes()
    assert facts["MODEL_IS_INT8"] == 0
    assert not re.search("SERNET_(INPUT|OUTPUT)_(SCALE|ZERO_POINT)", header)
