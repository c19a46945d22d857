"""Emits the tables of the features "micro" as C, for csrc/sernet_micro.c.

The tables are those of `runtime.micro_tables` and `runtime.micro_fft`. One more table maps the
frontend's output to the model's input.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.header import c_table
from sernet_edge.runtime import micro_fft, micro_tables
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.micro_frontend import settings_of
from sernet_edge.runtime.micro_settings import SNR_BITS, correction_bits

SOURCES, HEADERS = ("sernet_micro.c",), ("sernet_micro.h",)
"""Files of csrc/ that replace sernet_spectrum.c and .h."""

_OUTPUTS = 65_536
"""The number of possible values of the frontend's output."""


def micro_macros(contract: Contract) -> str:
    """Return the macros that only sernet_micro.c reads."""
    settings = settings_of(contract)
    shares = (settings.even_smoothing, settings.odd_smoothing, settings.min_signal_remaining)
    even, odd, least = map(micro_tables.noise_fraction, shares)
    correction = correction_bits(contract.fft_size)
    lines = [
        f"#define SERNET_MICRO_FIRST_BIN {micro_tables.filters(contract).first}",
        "/* Weights of new values in the noise estimate, and the least share that remains; Q14. */",
        f"#define SERNET_MICRO_EVEN {even}u",
        f"#define SERNET_MICRO_ODD {odd}u",
        f"#define SERNET_MICRO_LEAST {least}u",
        "/* Binary places by which the FFT has divided. */",
        f"#define SERNET_MICRO_CORRECTION ({correction})",
    ]
    if settings.enable_pcan:
        lines += [f"#define SERNET_PCAN_SHIFT {settings.gain_bits - correction - SNR_BITS}"]
    return "\n".join(lines)


def micro_declarations(contract: Contract) -> str:
    """Return the declarations of the tables; see `micro_tables_source`."""
    filters = micro_tables.filters(contract)
    pcan = (
        "/* For a noise estimate of n bits: value, slope and bend of a parabola. */\n"
        "extern const int16_t sernet_pcan_gains[33][3];\n"
        if settings_of(contract).enable_pcan
        else ""
    )
    return f"""\
extern const int16_t sernet_window[SERNET_FRAME_LENGTH_SAMPLES]; /* Q12 */
/* e^(-2 pi i n / (FFT size / 2)), and the factors that separate bins 1 and later; Q15. */
extern const int16_t sernet_turns[SERNET_FFT_SIZE * 3 / 8][2];
extern const int16_t sernet_parting[SERNET_FFT_SIZE / 4][2];
/* Bins, run by run: weights in the falling and in the rising filter, Q12; and the bin after each
 * run. The first run has no falling filter, the last run has no rising filter. */
extern const uint16_t sernet_micro_weights[{len(filters.falling)}][2];
extern const uint16_t sernet_micro_ends[SERNET_FEATURE_COUNT + 1];
{pcan}\
extern const uint16_t sernet_micro_logs[{micro_tables.LOG_SEGMENTS + 1}]; /* log2(1 + t) - t, Q16 */
/* The lowest outputs of the frontend that become the model's input -127, -126 ... 127. */
extern const uint16_t sernet_micro_starts[255];
"""


def micro_tables_source(model: Model) -> str:
    """Return the definitions of the tables."""
    contract = model.contract
    points = contract.fft_size // 2
    filters = micro_tables.filters(contract)
    turns = tuple(part[: 3 * points // 4] for part in micro_fft.turns(points))
    settings = settings_of(contract)
    pcan = ""
    if settings.enable_pcan:
        bits = settings.smoothing_bits - correction_bits(contract.fft_size)
        gains = micro_tables.pcan_gains(settings, bits)
        pcan = c_table("int16_t", "pcan_gains[33][3]", _rows(*gains.T), 6)
    return (
        c_table("int16_t", "window[]", _numbers(micro_tables.window(contract.frame_length_samples)))
        + c_table("int16_t", "turns[][2]", _rows(*turns), 6)
        + c_table("int16_t", "parting[][2]", _rows(*micro_fft.parting_turns(points)), 6)
        + c_table("uint16_t", "micro_weights[][2]", _rows(filters.falling, filters.rising), 6)
        + c_table("uint16_t", "micro_ends[]", map(str, filters.ends), 12)
        + pcan
        + c_table("uint16_t", "micro_logs[]", _numbers(micro_tables.log_table()), 12)
        + c_table("uint16_t", "micro_starts[]", _numbers(_starts(model)), 12)
    )


def micro_table_bytes(contract: Contract) -> int:
    """Return the bytes of flash of the tables."""
    filters, size = micro_tables.filters(contract), contract.fft_size
    turns = 4 * (size * 3 // 8 + size // 4)
    fixed = 2 * (micro_tables.LOG_SEGMENTS + 1 + 255)
    pcan = 2 * 33 * 3 if settings_of(contract).enable_pcan else 0
    ends = 2 * (contract.mel_bands + 1)
    return (
        2 * contract.frame_length_samples + turns + fixed + pcan + ends + 4 * len(filters.falling)
    )


def _starts(model: Model) -> NDArray[np.int64]:
    """Return the lowest outputs of the frontend that become -127, -126 ... 127, int64 (255,)."""
    front_end = FrontEnd(model.contract)
    outputs = np.arange(_OUTPUTS, dtype=np.float64)
    inputs = model.quantise(front_end.window_features(outputs))
    # The frontend's logarithms stay below the last output, so it means that an input never occurs.
    return np.minimum(np.searchsorted(inputs, np.arange(-127, 128)), _OUTPUTS - 1)


def _numbers(values: NDArray[Any]) -> list[str]:
    return [str(value) for value in values.tolist()]


def _rows(*columns: NDArray[Any]) -> list[str]:
    """Return the initialisers of an array's rows."""
    return [f"{{{', '.join(map(str, row))}}}" for row in np.stack(columns, axis=1).tolist()]
