"""Golden audio and the front end's features of it, as C for the self-test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sernet_edge.firmware_export.emit import banner, c_array
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.frontend import FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model


def golden_pcm(contract: Contract) -> NDArray[np.int16]:
    """Return one window of audio that uses the front end's range, int16 (window_samples,).

    It resembles a voice with a gliding pitch, in syllables from loud to faint. Then comes faint
    noise, then digital silence, which tests the energy floor.
    """
    count = contract.window_samples
    time = np.arange(count) / contract.sample_rate_hz
    phase = 2 * np.pi * (140 * time + 15 * np.sin(2 * np.pi * 0.7 * time))
    voice = sum(np.sin(h * phase) / h for h in range(1, 20))
    loudness = 10 ** (-4.5 * time / time[-1]) * (1 + np.sin(2 * np.pi * 3 * time))
    noise = np.random.default_rng(1).integers(-3, 4, count)
    # The last tenth is zeros.
    sounding = np.arange(count) < count * 9 // 10
    samples = np.rint(sounding * (9000 * voice * loudness + noise))
    return np.clip(samples, -32768, 32767).astype(np.int16)


def golden_features(model: Model, pcm: NDArray[np.int16]) -> NDArray[np.int8]:
    """Return the runtime's features of one window, int8 (window_frames, feature_count)."""
    front_end = FrontEnd(model.contract)
    return model.quantise(front_end.window_features(feature_rows(front_end, pcm)))


def golden_pcm_source(
    contract: Contract, pcm: NDArray[np.int16], features: NDArray[np.int8], name: str
) -> str:
    """Return C that defines `const sernet_golden_pcm NAME_golden_pcm`; see `golden_features`."""
    return (
        banner()
        + '#include "sernet_selftest_features.h"\n\n'
        + c_array("int16_t", "pcm", pcm.tolist())
        + c_array("int8_t", "features", features.ravel().tolist())
        + f"extern const sernet_golden_pcm {name}_golden_pcm;\n"
        + f"const sernet_golden_pcm {name}_golden_pcm = "
        + f"{{0x{contract.id}ULL, pcm, features}};\n"
    )
