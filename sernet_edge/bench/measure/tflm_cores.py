"""TensorFlow Lite Micro on microcontroller cores: the user's own library, or a saved run."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sernet_edge.bench.document import Section, not_measured
from sernet_edge.bench.measure.cores import missing
from sernet_edge.bench.measure.prepared import Prepared
from sernet_edge.firmware_export.cores import CORES, Core
from sernet_edge.firmware_export.measure import tflm
from sernet_edge.runtime.errors import SernetError

HOW_TO = (
    "build TensorFlow Lite Micro with CMSIS-NN for the core and give --tflm-include DIR and "
    "--tflm-library libtensorflow-microlite.a"
)

# What the assembler notes of `-mcpu`, and the core whose instructions QEMU runs for it.
_ARCHITECTURES = {
    "v6S-M": "m0plus",
    "v7E-M": "m4",
    "v8-M.mainline": "m33",
    "v8.1-M.mainline": "m55",
}


@dataclass(frozen=True)
class Library:
    """A TensorFlow Lite Micro of the user's.

    Attributes:
        includes: Folders with its headers and those of what it is made with.
        path: libtensorflow-microlite.a.
        core: What it was compiled for.
    """

    includes: tuple[Path, ...]
    path: Path
    core: Core


def library(includes: Sequence[Path], path: Path) -> Library:
    """Return a library with the core that it was compiled for.

    Raises:
        SernetError: It is not a library, or not for a core that can be counted on.
    """
    core = CORES["m4"]
    if lacking := missing(core):
        raise SernetError("--tflm-library needs the cross compiler and QEMU", lacking)
    if not path.is_file():
        raise SernetError(f"no library {path}")
    done = subprocess.run(
        ["arm-none-eabi-readelf", "-A", str(path)], capture_output=True, text=True
    )
    named = set(re.findall(r"Tag_CPU_arch: (\S+)", done.stdout))
    known = {_ARCHITECTURES[name] for name in named if name in _ARCHITECTURES}
    if known == {"m4"} and "Tag_FP_arch: FPv5" in done.stdout:
        known = {"m7"}  # The same instructions but for the FPU's.
    if len(known) != 1 or len(named) != 1:
        raise SernetError(
            f"{path} was compiled for {', '.join(sorted(named)) or 'no Arm core'}",
            "compile it with -mcpu= one of cortex-m0plus, cortex-m4, cortex-m7, cortex-m33, "
            "cortex-m55",
        )
    return Library(tuple(includes), path, CORES[known.pop()])


def section(
    model: Prepared,
    precision: str,
    cores: Sequence[str],
    own: Library | None,
    progress: Callable[[str], None],
) -> Section:
    """Return the section "tflm_cores": the cost of TensorFlow Lite Micro, by core.

    Returns:
        For each core the members of `TflmFigures`, `how` ("measured" or "saved") and `origin`.

    Args:
        model: The model.
        precision: The model's, as in its section "macs".
        cores: Wanted.
        own: The user's library; None: there is none.
        progress: Told what is done.
    """
    if precision != "int8":
        return {core: not_measured("microcontrollers want an int8 model") for core in cores}
    saved = _saved(model)
    found: Section = {}
    for core in dict.fromkeys([*cores, *([own.core.name] if own else [])]):
        if own is not None and own.core.name == core:
            progress(f"{model.name}: counting TensorFlow Lite Micro on {core}")
            found[core] = _measured(model, own)
        else:
            found[core] = saved.get(core) or not_measured(HOW_TO)
    return found


def _measured(model: Prepared, own: Library) -> Section:
    if model.file.contract is None:
        return not_measured("the model has no contract, which the exported firmware needs")
    try:
        figures = tflm.measure_tflm(
            model.file, own.core, own.includes, own.path, model.folder / "tflm",
            model.workshop.counter,
        )  # fmt: skip
    except SernetError as error:
        return not_measured(str(error))
    origin = f"{own.path.name}, {hashlib.sha256(own.path.read_bytes()).hexdigest()[:12]}"
    return {**asdict(figures), "how": "measured", "origin": origin}


def _saved(model: Prepared) -> dict[str, Section]:
    """Return the saved figures of a network of the same layers, by core.

    Whatever the weights, the code is the same; the flatbuffer in flash is this model's.
    """
    # What the engine does not run was never measured beside it.
    saved = tflm.saved_runs(model.planned.network) if model.planned else None
    if saved is None:
        return {}
    flatbuffer = len(model.file.flatbuffer)
    return {
        figures.core: {
            **asdict(figures),
            "flash_bytes": figures.code_bytes + flatbuffer,
            "how": "saved",
            "origin": f"{saved.origin}; of a network of the same layers",
        }
        for figures in saved.cores
    }
