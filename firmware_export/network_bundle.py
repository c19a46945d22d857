"""The bundle of a network alone, which takes rows and gives its output after each window.

It is for models without a contract, whose front end and labels are unknown.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge import __version__
from sernet_edge.firmware_export import bundle, emit, golden, plan, tflm
from sernet_edge.firmware_export.csource import engine_file
from sernet_edge.firmware_export.network import Tensor
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.modelfile import ModelFile

_QEMU = ("board.c", "board.h", *(f"{core.name}.ld" for core in bundle.BOARDS), "sections.ld")


def network_bundle_files(planned: PlannedModel) -> dict[str, str]:
    """Return the files of a bundle for the native engine: text by path in the bundle.

    Args:
        planned: The plan of a `.tflite`; the function ignores a contract.

    Raises:
        ModelError: Neither the interpreter nor the engine's reference can run the model, so golden
            vectors cannot be made.
    """
    network, plan, name = planned.network, planned.plan, bundle.MODEL
    windows = _windows(network.input, network.state_bytes > 0)
    outputs = golden.golden_outputs(planned.file, windows)
    return (
        _common_files()
        | {f"src/{path}": engine_file(path) for path in bundle.NATIVE_SOURCES}
        | {
            f"src/{name}.h": emit.model_header(network, plan, name),
            f"src/{name}.c": emit.model_source(plan, name),
            "examples/sernet_golden.c": golden.golden_source(network, windows, outputs, name),
            "Makefile": bundle.makefile("ROWS"),
            "README.md": _readme(planned),
            "qemu/demo.c": bundle.packaged("qemu/network_demo.c"),
        }
        | {f"qemu/{path}": bundle.packaged(f"qemu/{path}") for path in _QEMU}
    )


def tflm_network_bundle_files(file: ModelFile) -> dict[str, str]:
    """Return the files of a bundle for TensorFlow Lite Micro: text by path in the bundle.

    Raises:
        SernetError: The package tflite-micro is missing or cannot run the model, or the model has
            not exactly one input and one output of int8 or uint8.
    """
    source, result = tflm.file_ends(file)
    windows = _windows(source, tflm.variables(file) > 0)
    measured = tflm.measure(file, source, result, windows)
    return bundle.with_tflm(_common_files(), measured, windows, {})


def _common_files() -> dict[str, str]:
    return {
        "src/sernet.h": engine_file("sernet_network.h"),
        "src/sernet.c": engine_file("sernet_network.c"),
        "examples/demo_host.c": bundle.packaged("examples/network_demo.c"),
        "examples/selftest.c": bundle.packaged("examples/network_selftest.c"),
    }


# Limits of the golden vectors of a network with a state, which many windows have to fill.
_GOLDEN_BYTES, _MOST_WINDOWS = 8192, 32


def _windows(source: Tensor, keeps_state: bool) -> NDArray[np.int8]:
    """Return windows of noise and of smooth rows for golden vectors, int8 (windows, values)."""
    rng, size = np.random.default_rng(0), source.height * source.row_bytes
    pairs = min(_MOST_WINDOWS, _GOLDEN_BYTES // size) // 2 if keeps_state else 1
    windows = []
    for _ in range(max(1, pairs)):
        noise = rng.integers(-128, 128, size)
        slow = np.cumsum(rng.integers(-9, 10, size)) % 510
        windows += [noise, np.where(slow < 255, slow, 510 - slow) - 128]
    return np.stack(windows).astype(np.int8)


_KEPT = """
The network keeps {bytes:,} bytes from one window to the next, so push every row in order;
`sernet_init` resets them.
"""


def _readme(planned: PlannedModel) -> str:
    network = planned.network
    source, result = network.input, network.output
    low = 0 if source.is_unsigned else -128
    return bundle.packaged("layouts/network/README.md").format(
        version=__version__,
        model=Path(planned.file.name).name,
        rows=source.height,
        row_bytes=source.row_bytes,
        output_bytes=result.height * result.row_bytes,
        shape=", ".join(map(str, source.shape)),
        width=source.width,
        channels=source.channels,
        input_scale=float(source.scale),
        input_zero_point=source.zero_point,
        low=low,
        high=low + 255,
        dtype="uint8" if source.is_unsigned else "int8",
        # 8 bytes for the interface's two counters.
        state_bytes=8 + -(-plan.state_bytes(planned.plan) // 8) * 8,
        kept=_KEPT.format(bytes=network.state_bytes) if network.state_bytes else "",
        weight_bytes=network.weight_bytes,
    )
