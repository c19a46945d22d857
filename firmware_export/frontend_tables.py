"""Emits the front end's constants as C, for csrc/sernet_frontend.c.

`runtime.frontend` computes all constants from the contract in float64; here each is rounded once.
An integer that stands for a fraction is named by its binary places: Q22 is a number times 2^22.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export import micro_source
from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.firmware_export.emit import banner
from sernet_edge.firmware_export.header import c_float, c_string, c_table, contract_macros
from sernet_edge.runtime import events, gate
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.drift import LEAST_SPREAD
from sernet_edge.runtime.errors import ContractError
from sernet_edge.runtime.frontend import (
    LOG_STEPS,
    FrontEnd,
    dct_matrix,
    mel_corners,
    mel_filter_bank,
    window_function,
)
from sernet_edge.runtime.interpreter import Model

FRONTEND_VERSION = c_constant("sernet_frontend.h", "SERNET_FRONTEND_VERSION")


# Binary places of the C code's integers.
_LOG_BITS = c_constant("sernet_log.h", "SERNET_LOG_BITS")  # logarithms of energies
_COSINE_BITS = c_constant("sernet_frontend.c", "COSINE_BITS")
# Sums over bands, including c0, and levels.
_SUM_BITS = c_constant("sernet_frontend.c", "SUM_BITS")
# Intervals of the logarithm's table.
_LOG_STEPS = 1 << c_constant("sernet_log.h", "SERNET_LOG_INDEX_BITS")

# Limit of the logarithm of a band's energy: the sum of MOST_BANDS_ADDED of them fits an integer.
_MAX_LOG = 2.0 ** (31 - _LOG_BITS) / c_constant("sernet_frontend.c", "MOST_BANDS_ADDED") - 4

_MOST_ENERGY = 2**60 * 0.751
"""The largest sum of a frame's powers.

Samples are below 2^30, and the mean square of every window function in the table is at most 3/8
(the Hann window's). So the sum over half of the bins, divided by (fft_size/2)^2, is at most
2 * 3/8 * 2^60; the rest of the factor 0.751 allows for rounding.
"""


def frontend_files(contract: Contract) -> tuple[str, ...]:
    """Return the files of csrc/ that compute a contract's features."""
    micro = (*micro_source.SOURCES, *micro_source.HEADERS)
    own = micro if contract.features == "micro" else ("sernet_spectrum.c", "sernet_spectrum.h")
    return (*own, "sernet_frontend.c", "sernet_frontend.h", "sernet_fixed.h", "sernet_log.h")


def _mel_corners(contract: Contract) -> list[int]:
    """Return `runtime.frontend.mel_corners` as integers.

    Raises:
        SernetError: A filter is empty.
    """
    mel_filter_bank(contract)
    return [int(corner) for corner in mel_corners(contract)]


def _mel_shift(corners: list[int]) -> int:
    """Return the shift, in bits, with which the sums of sums of powers fit 64 bits."""
    # The sum of running sums counts a bin's power once for each bin from there to the corner.
    most = max(high - low - 1 for low, high in pairwise(corners))
    return max(0, math.ceil(math.log2(max(most, 1) * _MOST_ENERGY)) - 64)


def contract_header(model: Model) -> str:
    """Return sernet_contract.h: the contract as macros, and the tables' declarations.

    Args:
        model: A full-int8 model.

    Raises:
        ContractError: The C front end does not support a setting; the message names it.
    """
    _check(model)
    try:
        macros = "\n".join(contract_macros(model.contract))
        derived = _derived_macros(model)
    except OverflowError as error:
        raise ContractError(f"{model.name}: {error}, so it cannot go into C") from error
    return f"""\
{banner()}\
#ifndef SERNET_CONTRACT_H
#define SERNET_CONTRACT_H

#include <stdint.h>

{macros}
#define SERNET_LABEL_COUNT {len(model.contract.labels)}

{derived}
#ifdef __cplusplus
extern "C" {{
#endif

{_table_declarations(model.contract)}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _derived_macros(model: Model) -> str:
    """Return the macros that follow from the contract and the model's quantisation.

    Raises:
        OverflowError: A number does not fit a 32-bit float.
    """
    contract = model.contract
    low, high = model.quantise(np.array([-contract.clip, contract.clip], np.float32))
    return f"""\
/* For the front end's code; computed from the contract and the model's quantisation. */
#define SERNET_TABLES_VERSION {FRONTEND_VERSION}
#define SERNET_FFT_LOG2 {contract.fft_size.bit_length() - 1}
{_feature_macros(model)}
#define SERNET_FEATURE_ZERO_POINT ({model.input_zero_point})
#define SERNET_FEATURE_LOW ({low})
#define SERNET_FEATURE_HIGH {high}
#define SERNET_SCORE_SCALE {c_float(model.output_scale)}
#define SERNET_SCORE_ZERO_POINT ({model.output_zero_point})

/* For sernet_decide.h and the gate: the settings of `sernet-edge listen`, to the bit. */
{_decision_macros(contract)}

/* For sernet_drift.c: a step of the model's input divided by a window's frames, Q40; its logarithm,
 * Q22; and a floor for a variance times a window's squared frames, in squared steps. */
{_drift_macros(model)}
"""


def _feature_macros(model: Model) -> str:
    """Return the macros that only the code for the contract's features reads."""
    contract = model.contract
    if contract.features == "micro":
        return micro_source.micro_macros(contract)
    fft_log2 = contract.fft_size.bit_length() - 1
    # All factors on samples and powers are powers of two, so an exponent is enough.
    sample_exponent = 0 if contract.sample_scale == "int16" else -15
    # Pre-emphasis can double a sample, so the C halves it; `_window` may halve it once more.
    halvings = (contract.preemphasis > 0) + _is_halved(contract)
    return f"""\
#define SERNET_POWER_EXPONENT ({2 * (sample_exponent + halvings) + fft_log2 - 32})
#define SERNET_WINDOW_MIRROR {_mirror(contract)}{_preemphasis(contract)}
#define SERNET_LOG_FLOOR ({round(math.log(contract.energy_floor) * 2**_LOG_BITS)})
#define SERNET_GAIN_BITS {_gain_bits(model)}"""


def _table_declarations(contract: Contract) -> str:
    """Return the declarations of the tables of a contract's front end."""
    if contract.features == "micro":
        own = micro_source.micro_declarations(contract)
    else:
        own = _own_declarations(contract)
    return f"""\
typedef struct {{
    uint32_t reciprocal; /* Q32, of the middle of an interval of 1..2 */
    int32_t log;         /* Q30, the logarithm of that middle */
}} sernet_log_entry;

extern const char *const sernet_labels[SERNET_LABEL_COUNT]; /* UTF-8 */
extern const sernet_log_entry sernet_log_table[{_LOG_STEPS}];
{own}"""


def _own_declarations(contract: Contract) -> str:
    """Return the declarations of the tables of all features except "micro"."""
    tables = ""
    if contract.features != "spectrogram":
        tables += _MEL_CORNERS.format(shift=_mel_shift(_mel_corners(contract)))
    if contract.features == "mfcc":
        tables += _COSINE
    return f"""\
/* Q31; sample n of the second half has the weight of sample SERNET_WINDOW_MIRROR - n. */
extern const int32_t sernet_window[SERNET_FRAME_LENGTH_SAMPLES / 2 + 1];
extern const int32_t sernet_sine[SERNET_FFT_SIZE / 4 + 1]; /* sin(2 pi n / FFT size), Q31 */
{tables}\
/* Feature k is gain * (sum over bands, or a band's logarithm) - offset. One gain and one offset
 * hold the DCT's factor, the standardisation and the model's quantisation. */
extern const int32_t sernet_gain[SERNET_FEATURE_COUNT];   /* Q(SERNET_GAIN_BITS) */
extern const int64_t sernet_offset[SERNET_FEATURE_COUNT]; /* Q({_SUM_BITS} + SERNET_GAIN_BITS) */
"""


def _mirror(contract: Contract) -> int:
    """Return the sample that has the same weight as sample 0."""
    is_periodic = contract.window_function == "hann_periodic"
    return contract.frame_length_samples - (not is_periodic)


def _is_halved(contract: Contract) -> bool:
    """Return whether the table halves the weights, so that their mean is at most a half."""
    return contract.window_function in ("hamming", "rectangle")


def _window(contract: Contract) -> NDArray[np.float64]:
    """Return the table's weights: the first half of the window function and one value more."""
    half = contract.frame_length_samples // 2
    return window_function(contract)[: half + 1] / (1 + _is_halved(contract))


def _preemphasis(contract: Contract) -> str:
    if not contract.preemphasis:
        return ""
    (fraction,) = _fractions(np.array([contract.preemphasis]))
    return f"\n#define SERNET_PREEMPHASIS_Q31 {fraction}"


def _decision_macros(contract: Contract) -> str:
    """Return the macros of the settings of `listen` for scores and silence."""
    numbers = {
        "SMOOTHING": contract.smoothing,
        "UNSURE_BELOW": contract.unsure_below,
        "DRIFT_LIMIT": contract.drift_limit,
        "EVIDENCE_S": events.EVIDENCE_S,
        "RELEASE_S": events.RELEASE_S,
        "REFRACTORY_S": events.REFRACTORY_S,
        "SILENT_POWER": gate.SILENT_POWER,
        "QUIET_FRAMES": round(gate.QUIET_S / contract.frame_step_s),
    }
    return "\n".join(f"#define SERNET_LISTEN_{name} {value!r}" for name, value in numbers.items())


def _drift_macros(model: Model) -> str:
    """Return the macros with which C measures the drift of a window of int8 inputs."""
    step = model.input_scale / model.contract.window_frames
    return (
        f"#define SERNET_DRIFT_STEP {round(step * 2**40)}u\n"
        f"#define SERNET_DRIFT_LOG_STEP ({round(math.log(step) * 2**_LOG_BITS)})\n"
        f"#define SERNET_DRIFT_LEAST_VARIANCE {round((LEAST_SPREAD / step) ** 2)}u"
    )


_MEL_CORNERS = """\

#define SERNET_MEL_SHIFT {shift}

/* Filter m rises from the FFT bin at corner m to that at m + 1, and falls to that at m + 2. */
extern const uint16_t sernet_mel_corners[SERNET_MEL_BANDS + 2];
extern const uint32_t sernet_mel_reciprocals[SERNET_MEL_BANDS + 1]; /* Q32, of the bins between */

"""
_COSINE = f"""\
/* cos(2 pi n / (4 bands)), Q{_COSINE_BITS} */
extern const int32_t sernet_cosine[4 * SERNET_MEL_BANDS];
"""


def contract_source(model: Model) -> str:
    """Return sernet_contract.c: the tables; see `contract_header`."""
    contract = model.contract
    _check(model)
    is_micro = contract.features == "micro"
    return (
        banner()
        + '#include "sernet_contract.h"\n\n'
        + c_table("char *const", "labels[SERNET_LABEL_COUNT]", map(c_string, contract.labels), 1)
        + c_table("sernet_log_entry", f"log_table[{_LOG_STEPS}]", _log_table(), 4)
        + (micro_source.micro_tables_source(model) if is_micro else _own_tables(model))
    )


def _own_tables(model: Model) -> str:
    """Return the definitions of the tables of all features except "micro"."""
    contract = model.contract
    size, bands = contract.fft_size, contract.mel_bands
    sine = np.sin(2 * np.pi * np.arange(size // 4 + 1) / size)
    gain, offset = _standardisation(model)
    gain_bits = _gain_bits(model)
    tables = ""
    if contract.features != "spectrogram":
        corners = _mel_corners(contract)
        # With a width of 1 nothing is multiplied, and 2^32 would not fit.
        reciprocals = [
            f"{round(2**32 / width)}u" if (width := high - low) > 1 else "0"
            for low, high in pairwise(corners)
        ]
        tables += c_table("uint16_t", "mel_corners[]", map(str, corners), 12)
        tables += c_table("uint32_t", "mel_reciprocals[]", reciprocals)
    if contract.features == "mfcc":
        cosine = np.cos(2 * np.pi * np.arange(4 * bands) / (4 * bands))
        tables += c_table("int32_t", "cosine[]", _integers(cosine, _COSINE_BITS))
    return (
        c_table("int32_t", "window[]", _fractions(_window(contract)))
        + c_table("int32_t", "sine[]", _fractions(sine))
        + tables
        + c_table("int32_t", "gain[]", _integers(gain, gain_bits))
        + c_table(
            "int64_t", "offset[]", (f"{v}LL" for v in _integers(offset, _SUM_BITS + gain_bits))
        )
    )


def table_bytes(contract: Contract) -> int:
    """Return the bytes of flash of the tables, without the labels."""
    if contract.features == "micro":
        return 8 * _LOG_STEPS + micro_source.micro_table_bytes(contract)
    reals = contract.frame_length_samples // 2 + 1 + contract.fft_size // 4 + 1
    filters = 0 if contract.features == "spectrogram" else 6 * contract.mel_bands + 8
    cosine = 4 * 4 * contract.mel_bands if contract.features == "mfcc" else 0
    return 4 * reals + 8 * _LOG_STEPS + filters + cosine + (4 + 8) * contract.feature_count


def bins_bytes(contract: Contract) -> int:
    """Return the bytes of RAM of a frame's spectrum, needed while its features are computed."""
    if contract.features == "micro":
        return 4 * (contract.fft_size // 2)
    has_last = contract.features == "spectrogram" or contract.first_feature == "energy"
    return 8 * (contract.fft_size // 2 + has_last)


def frame_bytes(contract: Contract) -> int:
    """Return the bytes of RAM that the front end keeps from frame to frame, without counters."""
    noise_bytes = 4 * contract.feature_count if contract.features == "micro" else 0
    return 2 * contract.frame_length_samples + noise_bytes


def kept_bytes(contract: Contract) -> int:
    """Return the bytes of RAM of a frame besides its features, until the level is known."""
    if contract.level != "window":
        return 0
    # The frame's level, 4 bytes. Features that all wait have 16 bits: 1 byte more each.
    return 4 if contract.features == "mfcc" else 4 + contract.feature_count


def _check(model: Model) -> None:
    """Refuse a contract that the C code does not support."""
    contract, name = model.contract, model.name
    if not model.is_int8:
        raise ContractError(f"{name}: the model's input and output must be int8")
    if contract.level == "clip":
        raise ContractError(
            f"{name}: this model normalises by the loudness of a whole recording (level "
            "'clip'), which firmware does not have: it is not causal",
            "train with another --level",
        )
    if contract.features == "micro":
        FrontEnd(contract)  # refuses impossible filters
        return
    if contract.fft_size < 32 or contract.frame_length_samples % 2:
        raise ContractError(
            f"{name}: the C front end needs an FFT of 32 points or more and an even frame length, "
            f"not {contract.fft_size} and {contract.frame_length_samples}"
        )
    if contract.preemphasis and contract.frame_step_samples > contract.frame_length_samples:
        raise ContractError(
            f"{name}: the C front end's pre-emphasis needs frames that follow without a gap"
        )
    # Sums over bands have 32 bits, features that are logarithms have 16.
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
    """Return gain and offset, (features,) each, of logarithms or of sums with `sernet_cosine`."""
    contract = model.contract
    steps = np.asarray(contract.std) * np.float64(model.input_scale)
    offset = np.asarray(contract.mean) / steps
    if contract.features != "mfcc":
        return 1 / steps, offset
    # The factor of the orthonormal DCT: its matrix divided by the plain cosines, at band 0.
    matrix = dct_matrix(contract)
    cosines = np.cos(np.pi * np.arange(contract.mfcc_count) / (2 * contract.mel_bands))
    gain = matrix[:, 0] / cosines / steps
    if contract.first_feature == "energy":
        gain[0] = 1 / steps[0]
    return gain, offset


def _gain_bits(model: Model) -> int:
    """Return the largest number of binary places with which every gain fits 31 bits."""
    return min(28, 30 - math.ceil(math.log2(np.abs(_standardisation(model)[0]).max())))


def _log_table() -> Iterable[str]:
    for step in range(_LOG_STEPS):
        reciprocal = round(2**32 / (1 + (step + 0.5) / _LOG_STEPS))
        log = round(math.log(2**32 / reciprocal) * 2**30)
        yield f"{{{reciprocal}u, {log}}}"


def _integers(values: NDArray[np.float64], bits: int) -> list[str]:
    return [str(round(value * 2**bits)) for value in values.tolist()]


def _fractions(values: NDArray[np.float64]) -> list[str]:
    """Return numbers of 0 to 1 as Q31; 1, which does not fit, becomes the largest value."""
    return [str(min(round(value * 2**31), 2**31 - 1)) for value in values.tolist()]
