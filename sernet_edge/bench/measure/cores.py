"""Cost of a model on microcontroller cores, counted under QEMU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from sernet_edge.bench.document import Section, not_measured
from sernet_edge.bench.measure.prepared import Prepared
from sernet_edge.firmware_export import traffic
from sernet_edge.firmware_export.cores import ARM, CORES, Core
from sernet_edge.firmware_export.measure import firmware
from sernet_edge.runtime.errors import SernetError

DEFAULT = ("m4", "m7", "m55")
NAMES = tuple(name for name, core in CORES.items() if core.compiler == ARM)

_PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
}


def missing(core: Core) -> str:
    """Return how to install the programs that a core needs; "" when none is missing."""
    wanted = " ".join(_PACKAGES[program] for program in core.missing)
    return f"install {wanted}: apt install {wanted}" if wanted else ""


def section(model: Prepared, names: Sequence[str], progress: Callable[[str], None]) -> Section:
    """Return the section "cores": the cost of the native engine, by core.

    Returns:
        For each core `instructions` of one window and `layers` of them, `hop` (`seconds` of
        audio, and instructions of `features` and `network`, of the `longest_call` and
        `after_last_sample`), `per_second` of audio, `flash_bytes` and `sections` of the ELF,
        `ram_bytes` and of it `stack_bytes`, of the firmware that is exported; `ways`, `hop`,
        `per_second` and `ram_bytes` with each window computed "whole" and, where windows share
        rows, each row computed once ("shared"); and `network`, the memory of the network alone,
        with `code_bytes`; `weights_read`, bytes of weights that a window reads, and
        `weights_read_second`, that a second of audio does. A model without contract has no front
        end, and so no `hop`.

    Args:
        model: One that the native engine runs.
        names: Cores.
        progress: Told what is done.
    """
    found: Section = {}
    for core in (CORES[n] for n in names):
        if lacking := missing(core):
            found[core.name] = not_measured(lacking)
            continue
        progress(f"{model.name}: counting on {core.name}")
        try:
            measured = firmware.measure(model.sources, core, model.workshop.counter)
            found[core.name] = _figures(measured) | _traffic(model, core)
        except SernetError as error:
            found[core.name] = not_measured(str(error).removeprefix(f"{model.name}: "))
    return found


def _traffic(model: Prepared, core: Core) -> Section:
    """Return the bytes of weights that are read, of a window and for a second of audio."""
    planned = model.planned
    if planned is None:
        return {}
    return {
        "weights_read": traffic.window_bytes(planned.plan, core),
        "weights_read_second": traffic.second_bytes(planned, core),
    }


def _figures(measured: firmware.Measurement) -> Section:
    firm = measured.exported
    whole, hop = (firm.memory, firm.hop) if firm else (measured.network, None)
    return {
        "instructions": measured.instructions,
        "layers": list(measured.layers),
        "hop": asdict(hop) if hop else None,
        "per_second": hop.per_second if hop else None,
        "flash_bytes": measured.flash_bytes,
        "ram_bytes": whole.ram_bytes,
        "stack_bytes": whole.stack_bytes,
        "sections": measured.sections,
        "network": asdict(measured.network),
        "ways": {
            name: {
                "hop": asdict(way.hop),
                "per_second": way.hop.per_second,
                "ram_bytes": way.memory.ram_bytes,
            }
            for name, way in (("whole", measured.whole), ("shared", measured.shared))
            if way is not None
        },
    }
