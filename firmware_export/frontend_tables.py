"""The front end's constants as C: what csrc/sernet_frontend.c computes with.

All constants come from the contract through `runtime.frontend`, in float64, and are rounded once.
The C code takes float32 up to the energies (or int32 with SERNET_FIXED_POINT) and
integers after them. An integer that stands for a fraction is called by its binary places: Q24
is a number times 2^24.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.firmware_export.emit import banner
from sernet_edge.firmware_export.header import c_float, c_rows, c_string, contract_macros
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import LOG_STEPS, dct_matrix, mel_filter_bank, window_function
from sernet_edge.runtime.interpreter import Model

FRONTEND_VERSION = c_constant("sernet_frontend.h", "SERNET_FRONTEND_VERSION")

FRONTEND_SOURCES = ("sernet_spectrum.c", "sernet_frontend.c")
FRONTEND_HEADERS = ("sernet_spectrum.h", "sernet_frontend.h")

# Binary places.
_LOG_BITS = c_constant("sernet_frontend.c", "LOG_BITS")  # logarithms of energies
_COSINE_BITS = c_constant("sernet_frontend.c", "COSINE_BITS")
# Sums over bands, c0 among them, and levels.
_SUM_BITS = c_constant("sernet_frontend.c", "SUM_BITS")
# Intervals of the logarithm's table.
_LOG_STEPS = 1 << c_constant("sernet_frontend.c", "LOG_INDEX_BITS")

# What a logarithm of a filter's energy can come to; two of them fit an integer.
_MAX_LOG = 60.0

_ENERGY_BITS = 60
"""A frame's fixed-point powers sum to less than 2^60.

Samples are below 2^30 and the Hann window's mean square is 3/8, so the sum over half of the
bins, divided by (fft_size/2)^2, is at most 2 * 3/8 * 2^60; the rest is for rounding.
"""


@dataclass(frozen=True)
class MelFilter:
    """A triangle over `rise + fall` FFT bins from `start` on.

    Its weights are 1/(rise+1), 2/(rise+1), ... rise/(rise+1), then fall/fall ... 1/fall.
    """

    start: int
    rise: int
    fall: int

    def weights(self) -> NDArray[np.float64]:
        """Return the weights, float64 (rise + fall,)."""
        rising = np.arange(1, self.rise + 1) / (self.rise + 1)
        falling = np.arange(self.fall, 0, -1) / max(1, self.fall)
        return np.concatenate([rising, falling])


def mel_filters(contract: Contract) -> list[MelFilter]:
    """Return the contract's filters, taken from the runtime's filter bank.

    Raises:
        SernetError: A filter is empty.
    """
    filters = []
    for row in mel_filter_bank(contract):
        bins = np.flatnonzero(row)
        # A filter whose falling side has no width does not reach 1.
        peak = int(row.argmax()) if row.max() == 1.0 else int(bins[-1]) + 1
        found = MelFilter(int(bins[0]), peak - int(bins[0]), int(bins[-1]) + 1 - peak)
        np.testing.assert_allclose(found.weights(), row[bins[0] : bins[-1] + 1], rtol=1e-12)
        filters.append(found)
    return filters


def contract_header(model: Model) -> str:
    """Return sernet_contract.h: the contract as macros, and the tables' declarations.

    Args:
        model: A full-int8 model.

    Raises:
        ContractError: The C front end cannot follow the contract; says which setting.
    """
    contract = model.contract
    _check(model)
    filters = [] if contract.features == "spectrogram" else mel_filters(contract)
    widest = max((f.rise + 1 + f.fall for f in filters), default=1)
    # What samples are multiplied by and powers are divided by are powers of two.
    sample_exponent = 0 if contract.sample_scale == "int16" else -15
    low, high = model.quantise(np.array([-contract.clip, contract.clip], np.float32))
    try:
        macros = "\n".join(contract_macros(contract))
        scale = c_float(model.output_scale)
    except OverflowError as error:
        raise ContractError(f"{model.name}: {error}, so it cannot go into C") from error
    gain_bits = _gain_bits(model)
    tables = "".join(
        table
        for table, is_needed in (
            (_MEL_FILTERS, contract.features != "spectrogram"),
            (_COSINE, contract.features == "mfcc"),
        )
        if is_needed
    )
    return f"""\
{banner()}\
#ifndef SERNET_CONTRACT_H
#define SERNET_CONTRACT_H

#include <stdint.h>

{macros}
#define SERNET_LABEL_COUNT {len(contract.labels)}

/* For the front end's code: what follows from the contract and the model's quantisation. */
#define SERNET_TABLES_VERSION {FRONTEND_VERSION}
#define SERNET_POWER_EXPONENT ({2 * sample_exponent - contract.fft_size.bit_length() + 1})
#define SERNET_POWER_SHIFT {max(0, _ENERGY_BITS + math.ceil(math.log2(widest)) - 63)}
#define SERNET_LOG_FLOOR ({round(math.log(contract.energy_floor) * 2**_LOG_BITS)})
#define SERNET_GAIN_BITS {gain_bits}
#define SERNET_FEATURE_ZERO_POINT ({model.input_zero_point})
#define SERNET_FEATURE_LOW ({low})
#define SERNET_FEATURE_HIGH {high}
#define SERNET_SCORE_SCALE {scale}
#define SERNET_SCORE_ZERO_POINT ({model.output_zero_point})

#ifdef __cplusplus
extern "C" {{
#endif

typedef struct {{
    uint32_t reciprocal; /* Q32, of the middle of an interval of 1..2 */
    int32_t log;         /* Q30, of what the reciprocal is of */
}} sernet_log_entry;

#ifdef SERNET_FIXED_POINT
typedef int32_t sernet_real; /* Q30 in tables */
#else
typedef float sernet_real;
#endif

extern const char *const sernet_labels[SERNET_LABEL_COUNT]; /* UTF-8 */
extern const sernet_real sernet_window[SERNET_FRAME_LENGTH_SAMPLES / 2 + 1];
extern const sernet_real sernet_sine[SERNET_FFT_SIZE / 4 + 1]; /* sin(2 pi n / FFT size) */
extern const sernet_log_entry sernet_log_table[{_LOG_STEPS}];
{tables}\
/* Feature k is gain * (sum over bands, or a band's logarithm) - offset: the DCT's factor, the
 * standardisation and the model's quantisation in one. */
extern const int32_t sernet_gain[SERNET_FEATURE_COUNT];   /* Q(SERNET_GAIN_BITS) */
extern const int64_t sernet_offset[SERNET_FEATURE_COUNT]; /* Q({_SUM_BITS} + SERNET_GAIN_BITS) */

#ifdef __cplusplus
}}
#endif

#endif
"""


_MEL_FILTERS = """\

/* Weights i / (rise + 1), i = 1..rise, then j / fall, j = fall..1, from bin `start` on. */
typedef struct {
    uint16_t start, rise, fall;
} sernet_mel_filter;
extern const sernet_mel_filter sernet_mel_filters[SERNET_MEL_BANDS];

"""
_COSINE = f"""\
/* cos(2 pi n / (4 bands)), Q{_COSINE_BITS} */
extern const int32_t sernet_cosine[4 * SERNET_MEL_BANDS];
"""


def contract_source(model: Model) -> str:
    """Return sernet_contract.c: the tables; see `contract_header`."""
    contract = model.contract
    _check(model)
    length, size, bands = contract.frame_length_samples, contract.fft_size, contract.mel_bands
    window = window_function(contract)[: length // 2 + 1]
    sine = np.sin(2 * np.pi * np.arange(size // 4 + 1) / size)
    gain, offset = _standardisation(model)
    gain_bits = _gain_bits(model)
    tables = ""
    if contract.features != "spectrogram":
        filters = [f"{{{f.start}, {f.rise}, {f.fall}}}" for f in mel_filters(contract)]
        tables += _array("sernet_mel_filter", "mel_filters[SERNET_MEL_BANDS]", filters, 6)
    if contract.features == "mfcc":
        cosine = np.cos(2 * np.pi * np.arange(4 * bands) / (4 * bands))
        tables += _array("int32_t", "cosine[]", _integers(cosine, _COSINE_BITS))
    return (
        banner()
        + '#include "sernet_contract.h"\n\n'
        + _array("char *const", "labels[SERNET_LABEL_COUNT]", map(c_string, contract.labels), 1)
        + "#ifdef SERNET_FIXED_POINT\n"
        + _array("sernet_real", "window[]", _integers(window, 30))
        + _array("sernet_real", "sine[]", _integers(sine, 30))
        + "#else\n"
        + _array("sernet_real", "window[]", map(c_float, _rounded(window)), 6)
        + _array("sernet_real", "sine[]", map(c_float, _rounded(sine)), 6)
        + "#endif\n\n"
        + _array("sernet_log_entry", f"log_table[{_LOG_STEPS}]", _log_table(), 4)
        + tables
        + _array("int32_t", "gain[]", _integers(gain, gain_bits))
        + _array(
            "int64_t", "offset[]", (f"{v}LL" for v in _integers(offset, _SUM_BITS + gain_bits))
        )
    )


def table_bytes(contract: Contract) -> int:
    """Return the flash that the tables take, bytes, labels excluded."""
    reals = contract.frame_length_samples // 2 + 1 + contract.fft_size // 4 + 1
    filters = 0 if contract.features == "spectrogram" else 6 * contract.mel_bands
    cosine = 4 * 4 * contract.mel_bands if contract.features == "mfcc" else 0
    return 4 * reals + 8 * _LOG_STEPS + filters + cosine + (4 + 8) * contract.feature_count


def kept_bytes(contract: Contract) -> int:
    """Return the bytes of RAM that a frame keeps beside its features until its level is known."""
    if contract.level != "window":
        return 0
    # Its own level; and of features that all wait for the window's, the higher bytes.
    return 4 if contract.features == "mfcc" else 4 + contract.feature_count


def _check(model: Model) -> None:
    """Refuse a contract that the C code cannot compute."""
    contract, name = model.contract, model.name
    if not model.is_int8:
        raise ContractError(f"{name}: the model's input and output must be int8")
    if contract.level == "clip":
        raise ContractError(
            f"{name}: this model normalises by the loudness of a whole recording (level "
            "'clip'), which firmware does not have: it is not causal",
            "train with another --level",
        )
    if contract.fft_size < 8 or contract.frame_length_samples % 2:
        raise ContractError(
            f"{name}: the C front end needs an FFT of 8 points or more and an even frame length, "
            f"not {contract.fft_size} and {contract.frame_length_samples}"
        )
    # Sums over bands are 32-bit integers, features that are logarithms 16-bit ones.
    is_mfcc = contract.features == "mfcc"
    beyond = abs(math.log(contract.energy_floor)) >= (_MAX_LOG if is_mfcc else 2**15 / LOG_STEPS)
    if beyond or (is_mfcc and contract.mel_bands * _MAX_LOG >= 2 ** (31 - _SUM_BITS)):
        raise ContractError(
            f"{name}: {contract.feature_count} features of {contract.mel_bands} mel bands with "
            f"a floor of {contract.energy_floor:g} "
            "are beyond the range of the C front end's integers"
        )
    if _gain_bits(model) < 12:
        raise ContractError(f"{name}: a std of {min(contract.std):g} is too small for C")


def _standardisation(model: Model) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gain and offset of logarithms, or of the plain sums that `sernet_cosine` gives."""
    contract = model.contract
    steps = np.asarray(contract.std) * np.float64(model.input_scale)
    offset = np.asarray(contract.mean) / steps
    if contract.features != "mfcc":
        return 1 / steps, offset
    # The DCT's factor, with the cosine's own 1 at band 0 of the first coefficient divided out.
    matrix = dct_matrix(contract)
    cosines = np.cos(np.pi * np.arange(contract.mfcc_count) / (2 * contract.mel_bands))
    return matrix[:, 0] / cosines / steps, offset


def _gain_bits(model: Model) -> int:
    """Return the most binary places at which every gain fits 31 bits."""
    return min(28, 30 - math.ceil(math.log2(_standardisation(model)[0].max())))


def _log_table() -> Iterable[str]:
    for step in range(_LOG_STEPS):
        reciprocal = round(2**32 / (1 + (step + 0.5) / _LOG_STEPS))
        log = round(math.log(2**32 / reciprocal) * 2**30)
        yield f"{{{reciprocal}u, {log}}}"


def _rounded(values: NDArray[np.float64]) -> Iterable[float]:
    # Sine and window are 0 at 0, but computed as some 1e-17.
    return (0.0 if abs(value) < 1e-15 else value for value in values.tolist())


def _integers(values: NDArray[np.float64], bits: int) -> list[str]:
    return [str(round(value * 2**bits)) for value in values.tolist()]


def _array(kind: str, name: str, values: Iterable[str], per_line: int = 8) -> str:
    return f"const {kind} sernet_{name} = {{\n{c_rows(values, per_line)}}};\n\n"
