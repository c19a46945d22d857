"""The firmware bundle: a folder of C that needs no other library, with build file and README."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.firmware_export import (
    emit,
    emit_stream,
    frontend_tables,
    golden,
    golden_pcm,
    head_model,
    identity,
    layout,
    tflm,
)
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.csource import c_constant, engine_file
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.interpreter import Model

API_SOURCES = (
    *("sernet.c", "sernet_decide.c", "sernet_drift.c"),
    *("sernet_selftest_features.c", "sernet_serial.c"),
)
API_HEADERS = (
    *("sernet.h", "sernet_rows.h", "sernet_decide.h", "sernet_drift.h"),
    "sernet_selftest_features.h",
    *("sernet_serial.h", "sernet_dwt.h", "sernet_crc32.h"),
)
WHOLE_WINDOWS, SHARED_ROWS = "sernet_windows.c", "sernet_shared_rows.c"
"""Files that pass rows to the network; a bundle holds one of the two."""

COMMON_SOURCES = (*API_SOURCES, *API_HEADERS)
"""Files of csrc/ in every bundle."""

NATIVE_SOURCES = (
    *(*emit.ENGINE_SOURCES, *emit.ENGINE_HEADERS),
    *(*emit_stream.STREAM_SOURCES, *emit_stream.STREAM_HEADERS),
)
"""The engine, the same for every model."""

HEAD_FILES = ("sernet_head.c", "sernet_head.h")
TFLM_SOURCES = ("sernet_engine.h", "sernet_tflm.cc", "sernet_selftest.c", "sernet_selftest.h")

BOARDS = (CORES["m4"], CORES["m7"], CORES["m55"])

QEMU_FILES = (
    *("board.c", "board.h", "demo.c", "serial.c"),
    *(*(f"{core.name}.ld" for core in BOARDS), "sections.ld"),
)
"""Files of qemu/ in a plain bundle: the bare-metal programs."""

EXAMPLES = ("demo_host.c", "selftest.c")

MODEL = "sernet_model"
"""The C name of the network in a bundle."""

_AS_IT_COMES = (
    "The features of a frame are final at once, so the network computes while the audio arrives.\n"
    "  At a window's end one row remains."
)
_LEVELS = {
    "none": _AS_IT_COMES,
    "running": _AS_IT_COMES,
    "window": (
        "This model subtracts the window's mean loudness from its features. So the network cannot\n"
        "  start before the window's end, and a result comes one run of the network later;\n"
        "  the features that wait take {level_bytes:,} bytes of RAM. The network of a model\n"
        "  trained with `--level running` computes while the audio arrives."
    ),
}

_SHARED_ROWS_TEXT = (
    "The features of a frame are final at once, so the network computes while the audio arrives.\n"
    "  At a window's end at most one row's work remains."
)

_QUEUE_TEXT = (
    "| `SERNET_QUEUE_ROWS=n` | room for n frames that the network has not taken yet, instead of "
    "16: more if your program does not call `sernet_work` or `sernet_poll` for a longer time |\n"
)


def bundle_files(planned: PlannedModel) -> dict[str, str]:
    """Return the files of a bundle for the native engine: text by path in the bundle.

    Args:
        planned: The plan of a `.tflite` with a contract.

    Raises:
        SernetError: The interpreter cannot run the model, or the C code does not support its
            contract.
    """
    model = Model(planned.file)
    texts, windows = _common_files(model)
    return (
        texts
        | {f"src/{path}": engine_file(path) for path in (*NATIVE_SOURCES, *HEAD_FILES)}
        | (_shared_rows(planned, windows) if planned.stream else _whole_windows(planned, windows))
        | {"src/sernet_head_model.h": head_model.head_model_header(planned)}
        | {"Makefile": makefile("AUDIO"), "README.md": _readme(model, planned)}
        | {f"qemu/{path}": packaged(f"qemu/{path}") for path in QEMU_FILES}
    )


def _whole_windows(planned: PlannedModel, windows: NDArray[np.int8]) -> dict[str, str]:
    """Return the files for whole windows, with golden windows."""
    network, plan = planned.network, planned.plan
    outputs = golden.golden_outputs(planned.file, windows)
    return {
        f"src/{WHOLE_WINDOWS}": engine_file(WHOLE_WINDOWS),
        f"src/{MODEL}.h": emit.model_header(network, plan, MODEL, _hop_macro(planned)),
        f"src/{MODEL}.c": emit.model_source(plan, MODEL),
        "examples/sernet_golden.c": golden.golden_source(network, windows, outputs, MODEL),
    }


def _shared_rows(planned: PlannedModel, windows: NDArray[np.int8]) -> dict[str, str]:
    """Return the files for shared rows, with a golden stream."""
    network, stream = planned.network, planned.stream
    assert stream is not None
    height, hop = stream.window_frames, stream.hop_frames
    # So many rows that the last one ends a window.
    count = height + (windows.shape[0] - 1) * height // hop * hop
    rows = windows.reshape(-1, network.input.row_bytes)[:count]
    outputs = golden.golden_outputs(planned.file, golden.stream_windows(rows, height, hop))
    return {
        f"src/{SHARED_ROWS}": engine_file(SHARED_ROWS),
        f"src/{MODEL}.h": emit_stream.stream_header(network, stream, MODEL, _hop_macro(planned)),
        f"src/{MODEL}.c": emit_stream.stream_source(stream, MODEL),
        "examples/sernet_golden.c": golden.golden_stream_source(network, hop, rows, outputs, MODEL),
    }


def _hop_macro(planned: PlannedModel) -> str:
    """Return the macro of a hop that differs from the contract's; otherwise nothing."""
    if planned.hop_frames == planned.file.require_contract().hop_frames:
        return ""
    return (
        "/* Rows from one window to the next, unless SERNET_EVERY_FRAMES says otherwise. */\n"
        f"#define {MODEL.upper()}_HOP_ROWS {planned.hop_frames}\n"
    )


def tflm_bundle_files(model: Model) -> dict[str, str]:
    """Return the files of a bundle for TensorFlow Lite Micro: text by path in the bundle.

    Raises:
        SernetError: The package tflite-micro is missing or cannot run the model, or the C front end
            does not support the contract.
    """
    texts, windows = _common_files(model)
    texts[f"src/{WHOLE_WINDOWS}"] = engine_file(WHOLE_WINDOWS)
    measured = tflm.measure(model.file, *tflm.audio_ends(model), windows)
    contract = model.contract
    facts = {
        "CONTRACT_ID": contract.id,
        "SAMPLE_RATE_HZ": str(contract.sample_rate_hz),
        "HOP_S": f"{contract.hop_frames * contract.frame_step_s:.3f}",
        "WINDOW_S": f"{contract.window_s:.3f}",
    }
    return with_tflm(texts, measured, windows, facts)


def with_tflm(
    texts: dict[str, str],
    measured: tflm.MeasuredModel,
    windows: NDArray[np.int8],
    facts: Mapping[str, str],
) -> dict[str, str]:
    """Add the files for TensorFlow Lite Micro to a bundle.

    Args:
        texts: The bundle's other files.
        measured: The model.
        windows: The inputs of the golden vectors, int8 (windows, values).
        facts: Values of placeholders in the README, by name.
    """
    texts |= {f"src/{path}": engine_file(path) for path in TFLM_SOURCES}
    texts |= {
        "src/sernet_tflm_ops.h": tflm.ops_header(measured.operators),
        f"src/{MODEL}.h": tflm.model_header(measured),
        f"src/{MODEL}.c": tflm.model_source(measured.file),
        "examples/sernet_golden.c": golden.golden_source(
            tflm.as_network(measured.source), windows, measured.outputs, MODEL
        ),
    }
    texts |= layout.filled("tflm", texts)
    for key, value in {**facts, **_tflm_facts(measured)}.items():
        texts["README.md"] = texts["README.md"].replace(f"@{key}@", value)
    return texts


def _tflm_facts(measured: tflm.MeasuredModel) -> dict[str, str]:
    """Return the values of the README's placeholders, by name."""
    state_bytes = measured.arena_bytes + measured.margin_bytes + measured.object_bytes
    return {
        "MODEL": Path(measured.file.name).name,
        "ARENA": f"{measured.arena_bytes:,}",
        "MARGIN": f"{measured.margin_bytes:,}",
        "OBJECTS": f"{measured.object_bytes:,}",
        "STATE": f"{state_bytes:,}",
        "FLATBUFFER": f"{len(measured.file.flatbuffer):,}",
        "OPS": ", ".join(measured.operators),
    }


def _common_files(model: Model) -> tuple[dict[str, str], NDArray[np.int8]]:
    """Return the files that both engines share, and the inputs of the golden vectors.

    The inputs, int8 (2, values), are the features of the golden audio, and noise.
    """
    header, source = frontend_tables.contract_header(model), frontend_tables.contract_source(model)
    pcm = golden_pcm.golden_pcm(model.contract)
    features = golden_pcm.golden_features(model, pcm)
    noise = np.random.default_rng(0).integers(-128, 128, features.size, np.int8)
    sources = (*frontend_tables.frontend_files(model.contract), *COMMON_SOURCES)
    texts = {f"src/{file}": engine_file(file) for file in sources}
    texts |= {
        "src/sernet_contract.h": header,
        "src/sernet_contract.c": source,
        "src/sernet_identity.h": identity.identity_header(model.file),
        "examples/sernet_golden_pcm.c": golden_pcm.golden_pcm_source(
            model.contract, pcm, features, MODEL
        ),
    }
    texts |= {f"examples/{file}": packaged(f"examples/{file}") for file in EXAMPLES}
    return texts, np.stack([features.ravel(), noise])


def write_files(texts: Mapping[str, str], out: Path, force: bool) -> None:
    """Write a bundle to a folder; create the folder if it is missing.

    Args:
        texts: Text by path in the bundle.
        out: The folder.
        force: Whether the folder may hold files already; those outside the bundle stay.

    Raises:
        SernetError: The folder is not empty, or writing fails.
    """
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())) and not force:
            raise SernetError(
                f"{out} exists already and is not an empty folder",
                hint="choose another or add --force",
            )
        for path in sorted(texts):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            write_text(out / path, texts[path])
    except OSError as error:
        raise SernetError(
            f"cannot write {error.filename or out}: {error.strerror}",
            hint="check that the place is a writable folder",
        ) from error


def makefile(kind: str) -> str:
    """Return the plain bundle's Makefile with its boards filled in.

    Args:
        kind: "AUDIO" or "ROWS"; see `layout`.
    """
    boards = [f"{core.name} = {core.machine} {' '.join(core.flags)}" for core in BOARDS]
    template = layout.of_kind(packaged("layouts/plain/Makefile"), kind)
    return template.replace("@BOARDS@", "\n".join(boards))


def packaged(path: str) -> str:
    """Return the text of a file of this package."""
    return (resources.files(__package__) / path).read_text(encoding="utf-8")


def _readme(model: Model, planned: PlannedModel) -> str:
    contract, stream = model.contract, planned.stream
    frames, labels = contract.window_frames, contract.labels
    kept_bytes = frontend_tables.kept_bytes(contract)
    if stream:
        # sernet_shared_rows.c counts limited features: 1 or 2 bytes for each row of a window.
        counts = frames * (1 if contract.feature_count < 256 else 2)
        ring_bytes = c_constant("sernet.h", "SERNET_QUEUE_ROWS") * contract.feature_count + counts
        level_text = _SHARED_ROWS_TEXT
    else:
        ring_bytes = frames * (contract.feature_count + kept_bytes)
        level_text = _LEVELS[contract.level].format(level_bytes=frames * kept_bytes)
    frontend_bytes = frontend_tables.frame_bytes(contract)
    return packaged("layouts/plain/README.md").format(
        version=__version__,
        model=Path(model.name).name,
        contract_id=contract.id,
        label_list=f"{', '.join(labels[:-1])} and {labels[-1]}",
        sample_rate_hz=contract.sample_rate_hz,
        hop_s=planned.hop_frames * contract.frame_step_s,
        window_s=contract.window_s,
        step_ms=1000 * contract.frame_step_s,
        hop_frames=planned.hop_frames,
        smoothing=contract.smoothing,
        level_text=level_text,
        every_text=_every_text(planned),
        queue_text=_QUEUE_TEXT if stream else "",
        rows_name="features that wait for the network" if stream else "window of features",
        way_text=_way_text(contract, planned),
        net_bytes=planned.state_bytes,
        ring_bytes=ring_bytes,
        frontend_bytes=frontend_bytes,
        # 100 bytes for counters and scores; the exact size depends on the compiler's padding.
        state_bytes=planned.state_bytes + ring_bytes + frontend_bytes + 100,
        weight_bytes=planned.network.weight_bytes,
        table_bytes=frontend_tables.table_bytes(contract),
    )


def _every_text(planned: PlannedModel) -> str:
    """Return the README's text on other hops."""
    stream, instead = planned.stream, f"instead of every {planned.hop_frames}"
    if stream is None:
        return f"{instead}; a slow core needs a larger n"
    finer = "".join(f"{hop}, " for hop in stream.finer_hops)
    return (
        f"{instead}: {finer}any multiple of {stream.stride_frames}; for shorter hops use "
        "`sernet-edge export --hop`"
    )


def _way_text(contract: Contract, planned: PlannedModel) -> str:
    """Return the README's text on whether windows share rows, and why."""
    if planned.stream:
        return (
            f"The network computes each row once: {planned.reason}.\nSo the work per second is "
            "nearly the same at any `SERNET_EVERY_FRAMES`."
        )
    at_once = contract.window_frames / planned.hop_frames
    return (
        f"For each result the network runs over the whole window. A result comes every "
        f"{planned.hop_frames} frames,\nso {at_once:.1f} windows overlap at any time, and the "
        f"network computes each frame that often. The reason:\n{planned.reason}."
    )
