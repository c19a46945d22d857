"""The decisions of sernet_decide equal those of `Listener`, to the bit."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bundle_cases import C_FOLDER, build, run, small_model, utterances, write_bundle
from cores import M4, needs_m4
from numpy.typing import NDArray
from object_files import FAST, SANITIZE

from sernet_edge.firmware_export.measure import cross
from sernet_edge.runtime import interpreter
from sernet_edge.runtime.contract import NONE, Contract
from sernet_edge.runtime.events import EventTracker
from sernet_edge.runtime.frontend import Float32
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.records import Event, Record, Result
from sernet_edge.runtime.stream import Listener
from sernet_edge.train.new_contract import new_contract

MAIN = C_FOLDER / "decide_sequence.c"


class Spoken:
    """A model that ignores its input and returns given int8 scores."""

    def __init__(self, model: Model, scores: Sequence[NDArray[np.int8]]) -> None:
        self.contract = model.contract
        self._model = model
        self._scores = iter(scores)

    def run(self, features: Float32) -> Float32:
        shifted = next(self._scores).astype(np.float32) - self._model.output_zero_point
        return shifted * np.float32(self._model.output_scale)


class Gate:
    """A gate whose state is given for each window."""

    speech = 0.5

    def __init__(self, opens: Sequence[bool]) -> None:
        self._opens = iter(opens)

    @property
    def is_open(self) -> bool:
        return next(self._opens)

    def push(self, samples: NDArray[np.int16]) -> None:
        pass

    def reset(self) -> None:
        pass


@dataclass(frozen=True)
class Case:
    """A stream: the scores of each window, and whether anybody speaks in it."""

    model: Model
    scores: list[NDArray[np.int8]]
    opens: list[bool]
    audio: NDArray[np.int16]

    def listened(self, evidence_s: float, refractory_s: float, smoothing: float) -> list[Record]:
        """Return the runtime's records of the stream."""
        heard = [s for s, is_open in zip(self.scores, self.opens, strict=True) if is_open]
        listener = Listener(
            Spoken(self.model, heard),
            smoothing=smoothing,
            gate=Gate(self.opens),  # type: ignore[arg-type]
            events=EventTracker(evidence_s, refractory_s),
        )
        return listener.push(self.audio) + listener.finish()

    def header(self, records: list[Record]) -> str:
        """Return sequence.h, with the runtime's verdict on whether each window drifts."""
        contract = self.model.contract
        results = [record for record in records if isinstance(record, Result)]
        rows = []
        for n, (scores, is_open, result) in enumerate(
            zip(self.scores, self.opens, results, strict=True)
        ):
            frames = contract.window_frames + n * contract.hop_frames
            drifts = result.drift is not None and 0 < contract.drift_limit < result.drift
            listed = ", ".join(map(str, scores.tolist()))
            rows.append(f"    {{{frames}u, {int(is_open)}, {int(drifts)}, {{{listed}}}}},\n")
        return (
            '#include "sernet.h"\n\nstatic const struct {\n    uint32_t frames;\n'
            "    uint8_t speaks, drifts;\n    int8_t scores[SERNET_LABEL_COUNT];\n"
            f"}} sequence[] = {{\n{''.join(rows)}}};\n"
        )


def random_case(seed: int, contract: Contract, windows: int) -> Case:
    """Return emotions that last for a while, between unsure ones, pauses, silence and drift."""
    rng = np.random.default_rng(seed)
    labels = len(contract.labels)
    scores: list[NDArray[np.int8]] = []
    opens: list[bool] = []
    while len(scores) < windows:
        leader, loudness = int(rng.integers(labels)), float(rng.uniform(1, 8))
        is_open = bool(rng.random() < 0.8)
        for _ in range(int(rng.integers(1, 12))):
            logits = rng.normal(size=labels)
            logits[leader] += loudness
            share = np.exp(logits) / np.exp(logits).sum()
            scores.append(np.clip(np.rint(256 * share) - 128, -128, 127).astype(np.int8))
            opens.append(is_open)
    count = contract.window_samples
    count += (windows - 1) * contract.hop_frames * contract.frame_step_samples
    audio = rng.normal(0, 1000, count) * (np.sin(np.arange(count) / 50_000) > 0)
    model = Model(ModelFile("model", small_model(contract)))
    return Case(model, scores[:windows], opens[:windows], audio.astype(np.int16))


def lines_of(records: list[Record], contract: Contract) -> str:
    """Return records as decide_sequence.c prints them."""

    def bits(*values: float) -> list[int]:
        return [struct.unpack("<Q", struct.pack("<d", value))[0] for value in values]

    lines: list[list[object]] = []
    for record in records:
        if isinstance(record, Result):
            label = 0xFFFF if record.label is None else contract.labels.index(record.label)
            numbers = [*bits(record.time_s), label, int(record.sure)]
            lines.append(["result", *numbers, *bits(*record.scores.values())])
        elif isinstance(record, Event):
            kind = {"start": 1, "end": 2}[record.kind]
            label = contract.labels.index(record.label)
            times = bits(record.start_s, record.end_s or 0.0, record.peak)
            lines.append(["event", kind, label, record.id, *times])
    return "".join(" ".join(map(str, line)) + " \n" for line in lines)


def options_of(evidence_s: float, refractory_s: float, smoothing: float) -> list[str]:
    return [
        f"-DSERNET_EVIDENCE_S={evidence_s!r}",
        f"-DSERNET_REFRACTORY_S={refractory_s!r}",
        f"-DSERNET_DECIDE_SMOOTHING={smoothing!r}",
    ]


CONTRACTS = [
    {"unsure_below": 0.6, "smoothing": 0.3},
    {"unsure_below": 0.75, "smoothing": 0.7, "drift_limit": 1.0, "hop_frames": 25},
    {"unsure_below": 0.0, "smoothing": 0.0, "hop_frames": 3},
]
# Evidence times that are whole hops, so that a rounding error would change a decision.
TIMES = [(1.0, 3.0), (0.8, 0.0), (0.144, 0.5)]


def decide_case(number: int, windows: int = 2000) -> tuple[Case, tuple[float, float, float]]:
    plain = new_contract(("anger", NONE, "fear"), "window", 40)
    contract = plain.replace(**{"hop_frames": 12, **CONTRACTS[number]})
    return random_case(number, contract, windows), (*TIMES[number], contract.smoothing)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_decisions_equal_the_listeners_to_the_bit(
    compiler: str, number: int, tmp_path: Path
) -> None:
    case, settings = decide_case(number)
    records = case.listened(*settings)
    events = [record for record in records if isinstance(record, Event)]
    assert len(events) > 20 and {event.kind for event in events} == {"start", "end"}
    assert NONE not in {event.label for event in events}
    bundle = write_bundle(tmp_path, case.model.file.data)
    (bundle / "src" / "sequence.h").write_text(case.header(records))
    options = (*SANITIZE, *options_of(*settings))
    program = build(bundle, tmp_path / "decide", MAIN, options, compiler)
    assert run(program, []).decode() == lines_of(records, case.model.contract)


@needs_m4
def test_decisions_on_an_m4_equal_the_listeners(tmp_path: Path) -> None:
    case, settings = decide_case(1, 300)
    records = case.listened(*settings)
    bundle = write_bundle(tmp_path, case.model.file.data)
    (bundle / "src" / "sequence.h").write_text(case.header(records))
    sources = [bundle / "src" / "sernet_decide.c", bundle / "src" / "sernet_contract.c", MAIN]
    cross.build(M4, sources, tmp_path / "decide.elf", options_of(*settings))
    done = cross.run(M4, tmp_path / "decide.elf")
    assert done.returncode == 0
    assert done.stdout == lines_of(records, case.model.contract)


@pytest.mark.slow
def test_scores_of_real_speech_give_the_listeners_events(
    shipped_model: Path, emodb: Path, tmp_path: Path
) -> None:
    model = interpreter.load(shipped_model)
    contract = model.contract
    audio = np.concatenate(utterances(emodb, contract, 40))
    heard: list[NDArray[np.int8]] = []

    class Kept(Spoken):
        def run(self, features: Float32) -> Float32:
            heard.append(model.run_int8(model.quantise(features)))
            shifted = heard[-1].astype(np.float32) - model.output_zero_point
            return shifted * np.float32(model.output_scale)

    listener = Listener(Kept(model, []), events=EventTracker())
    records = listener.push(audio) + listener.finish()
    assert any(isinstance(record, Event) for record in records)
    case = Case(model, heard, [True] * len(heard), audio)
    bundle = write_bundle(tmp_path, shipped_model.read_bytes())
    (bundle / "src" / "sequence.h").write_text(case.header(records))
    program = build(bundle, tmp_path / "decide", MAIN, FAST)
    assert run(program, []).decode() == lines_of(records, contract)
