"""The listener: windows, hops, smoothing, and independence of the chunks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from numpy.typing import NDArray

from sernet_edge.runtime import Contract, ContractError, FrontEnd, Listener, Result, SernetError
from sernet_edge.runtime.events import EventTracker
from sernet_edge.runtime.frontend import Float32, feature_rows
from sernet_edge.runtime.gate import SpeechGate
from sernet_edge.runtime.records import MIN_DBFS, Event, Notice, Record

WINDOW, HOP = 6, 4
CONTRACT = Contract(
    labels=("calm", "loud", "odd"),
    mean=(0.0,) * 40,
    std=(20.0,) * 40,
    window_frames=WINDOW,
    hop_frames=HOP,
    smoothing=0.25,
)
AUDIO = np.random.default_rng(1).normal(0, 3000, 16_000).astype(np.int16)


class Recorder:
    """A classifier that records its inputs, and answers from a list or from the features."""

    def __init__(
        self, contract: Contract = CONTRACT, answers: list[list[float]] | None = None
    ) -> None:
        self.contract = contract
        self.seen: list[Float32] = []
        self._answers = answers

    def run(self, features: Float32) -> Float32:
        self.seen.append(features)
        if self._answers is not None:
            return np.array(self._answers[len(self.seen) - 1], np.float32)
        powers = np.exp(np.abs(features).mean(axis=0)[:3])
        scores: Float32 = powers / powers.sum()
        return scores


def results_of(records: list[Record]) -> list[Result]:
    return [record for record in records if isinstance(record, Result)]


def notices_of(records: list[Record]) -> list[Notice]:
    return [record for record in records if isinstance(record, Notice)]


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (AUDIO / 32768, "float64 (16000,)"),
        ((AUDIO / 32768).astype(np.float32), "float32 (16000,)"),
        (AUDIO.reshape(-1, 2), "int16 (8000, 2)"),
        (AUDIO.astype(np.int32), "int32 (16000,)"),
        (AUDIO[:5].tolist(), "int64 (5,)"),
    ],
)
def test_samples_of_another_type_or_shape_are_refused(samples: Any, what: str) -> None:
    listener = Listener(Recorder())
    with pytest.raises(SernetError, match=re.escape(f"samples are {what}, but must be int16 (n,)")):
        listener.push(samples)
    assert (listener.samples, listener.time_s) == (0, 0)
    assert len(results_of(listener.push(AUDIO))) > 0


def facts(results: list[Record]) -> list[dict[str, object]]:
    return [result.record(timing=False) for result in results]


def test_window_n_begins_n_hops_after_the_first() -> None:
    model = Recorder()
    results = Listener(model).push(AUDIO)
    front_end = FrontEnd(CONTRACT)
    rows = feature_rows(front_end, AUDIO)
    starts = range(0, len(rows) - WINDOW + 1, HOP)
    assert len(results) == len(model.seen) == len(starts) > 5
    for start, seen in zip(starts, model.seen, strict=True):
        np.testing.assert_array_equal(seen, front_end.window_features(rows[start : start + WINDOW]))


@pytest.mark.parametrize("hop", [1, WINDOW, WINDOW + 5])
def test_the_hop_can_be_one_frame_or_leave_gaps(hop: int) -> None:
    model = Recorder()
    results = Listener(model, hop_frames=hop).push(AUDIO)
    rows = feature_rows(FrontEnd(CONTRACT), AUDIO)
    starts = range(0, len(rows) - WINDOW + 1, hop)
    assert len(results) == len(starts)
    last = FrontEnd(CONTRACT).window_features(rows[starts[-1] : starts[-1] + WINDOW])
    np.testing.assert_array_equal(model.seen[-1], last)


def test_the_time_of_a_result_is_the_end_of_its_window() -> None:
    results = Listener(Recorder()).push(AUDIO)
    # Six frames of 1024 samples every 256, then four more frames a hop.
    ends = [(5 * 256 + 1024 + n * 4 * 256) / 16_000 for n in range(len(results))]
    assert [result.time_s for result in results] == ends


def test_a_result_comes_exactly_with_the_last_sample_of_its_window() -> None:
    listener = Listener(Recorder())
    assert listener.push(AUDIO[: CONTRACT.window_samples - 1]) == []
    assert len(listener.push(AUDIO[CONTRACT.window_samples - 1 : CONTRACT.window_samples])) == 1


def test_smoothing_starts_with_the_scores_of_the_first_window() -> None:
    answers = [[0.8, 0.2, 0.0], [0.0, 0.4, 0.6], [0.0, 0.0, 1.0]]
    audio = AUDIO[: CONTRACT.window_samples + 2 * HOP * 256]
    results = Listener(Recorder(answers=answers)).push(audio)
    # By hand: a quarter of the earlier, three quarters of the new.
    expected = [[0.8, 0.2, 0.0], [0.2, 0.35, 0.45], [0.05, 0.0875, 0.8625]]
    found = [list(result.scores.values()) for result in results]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert [result.label for result in results] == ["calm", "odd", "odd"]
    assert list(results[0].scores) == ["calm", "loud", "odd"]


def test_no_smoothing_gives_the_model_s_scores() -> None:
    answers = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    audio = AUDIO[: CONTRACT.window_samples + HOP * 256]
    results = Listener(Recorder(answers=answers), smoothing=0.0).push(audio)
    assert [list(result.scores.values()) for result in results] == answers


@settings(max_examples=25, deadline=None)
@given(strategies.lists(strategies.integers(0, 6000), min_size=1, max_size=30))
def test_the_results_do_not_depend_on_the_chunks(sizes: list[int]) -> None:
    whole = Listener(Recorder()).push(AUDIO)
    listener = Listener(Recorder())
    edges = np.minimum(np.cumsum(sizes), len(AUDIO)).tolist()
    pieces: list[NDArray[np.int16]] = np.split(AUDIO, edges)
    results = [result for piece in pieces for result in listener.push(piece)]
    assert facts(results) == facts(whole)


def test_single_samples_give_the_same_results() -> None:
    audio = AUDIO[: CONTRACT.window_samples + HOP * 256]
    listener = Listener(Recorder())
    results = [result for sample in audio for result in listener.push(np.array([sample]))]
    assert facts(results) == facts(Listener(Recorder()).push(audio))


def test_a_short_stream_is_padded_with_silence_to_one_window() -> None:
    model = Recorder()
    listener = Listener(model)
    assert listener.push(AUDIO[:1500]) == []
    results = listener.finish()
    assert [result.padded for result in results] == [True]
    assert results[0].record()["padded"] is True
    silence = np.zeros(CONTRACT.window_samples - 1500, np.int16)
    rows = feature_rows(FrontEnd(CONTRACT), np.concatenate([AUDIO[:1500], silence]))
    np.testing.assert_array_equal(model.seen[0], FrontEnd(CONTRACT).window_features(rows))


def test_a_stream_of_a_window_or_more_is_not_padded() -> None:
    listener = Listener(Recorder())
    results = listener.push(AUDIO[: CONTRACT.window_samples])
    assert "padded" not in results[0].record()
    assert listener.finish() == []


def test_an_empty_stream_has_no_result() -> None:
    assert Listener(Recorder()).finish() == []


def test_no_window_covers_both_sides_of_a_gap_and_time_includes_the_gap() -> None:
    listener = Listener(Recorder())
    listener.push(AUDIO[:7000])
    assert listener.time_s == 7000 / 16_000
    assert listener.gap(90.5) == []
    found = results_of(listener.push(AUDIO[7000:]))
    assert listener.time_s == pytest.approx(1 + 90.5)
    # The same as a stream that begins there, except for the times.
    alone = results_of(Listener(Recorder()).push(AUDIO[7000:]))
    assert len(found) == len(alone) > 1
    for result, expected in zip(found, alone, strict=True):
        assert result.scores == expected.scores
        assert result.time_s == pytest.approx(expected.time_s + 7000 / 16_000 + 90.5)


def test_lost_audio_is_counted_in_the_results() -> None:
    assert {result.overflows for result in Listener(Recorder()).push(AUDIO, 3)} == {3}


def test_a_record_without_timing_has_no_computing_time() -> None:
    result = Listener(Recorder()).push(AUDIO)[0]
    with_timing, without = result.record(), result.record(timing=False)
    assert set(with_timing) - set(without) == {"feature_ms", "inference_ms"}
    assert with_timing["feature_ms"] > 0


@pytest.mark.parametrize("change", [{"hop_frames": 0}, {"smoothing": 1.0}, {"smoothing": -0.1}])
def test_an_impossible_hop_or_smoothing_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ContractError):
        Listener(Recorder(), **change)  # type: ignore[arg-type]


def test_a_model_that_needs_the_whole_recording_is_refused() -> None:
    with pytest.raises(SernetError, match="whole recording"):
        Listener(Recorder(CONTRACT.replace(level="clip")))


def test_each_sample_s_frame_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    features = FrontEnd.features

    def counted(self: FrontEnd, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        computed.append(len(frames))
        return features(self, frames)

    monkeypatch.setattr(FrontEnd, "features", counted)
    Listener(Recorder(), hop_frames=1).push(AUDIO)
    assert sum(computed) == (len(AUDIO) - 1024) // 256 + 1


def test_a_listener_that_lags_skips_hops_and_says_so_once() -> None:
    model = Recorder()
    listener = Listener(model)  # a hop is 0.064 s
    kept = listener.push(AUDIO[:6000], lag_s=0.06)
    lagging = listener.push(AUDIO[6000:10_000], lag_s=0.07)
    again = listener.push(AUDIO[10_000:13_000], lag_s=10.0)
    after = listener.push(AUDIO[13_000:], lag_s=0.0)
    assert results_of(lagging) == results_of(again) == []
    (notice,) = notices_of([*kept, *lagging, *again, *after])
    assert (notice.code, notice.level) == ("overload", "warning")
    # Every hop is either judged or counted.
    every = results_of(Listener(Recorder()).push(AUDIO))
    judged = results_of([*kept, *after])
    assert listener.skipped == len(every) - len(judged) > 5
    assert [result.skipped for result in results_of(kept)] == [0] * len(results_of(kept))
    assert {result.skipped for result in results_of(after)} == {listener.skipped}
    # Later results are the same as if no hop had been skipped.
    of_every = {result.time_s: result for result in every}
    assert [r.time_s in of_every for r in judged] == [True] * len(judged)
    plain = Recorder()
    Listener(plain).push(AUDIO)
    np.testing.assert_array_equal(model.seen[-1], plain.seen[-1])


def test_skipped_hops_are_counted_however_long_the_lag_lasts() -> None:
    listener = Listener(Recorder())
    found = [r for _ in range(50) for r in listener.push(AUDIO[:1024], lag_s=5.0)]
    assert results_of(found) == []
    assert len(notices_of(found)) == 1
    assert listener.skipped == (50 * 1024 - CONTRACT.window_samples) // (HOP * 256) + 1


def test_a_file_is_never_skipped() -> None:
    listener = Listener(Recorder())
    listener.push(AUDIO)
    assert listener.skipped == 0


def test_a_result_below_the_threshold_is_unsure() -> None:
    answers = [[0.5, 0.3, 0.2], [0.4, 0.3, 0.3]]
    audio = AUDIO[: CONTRACT.window_samples + HOP * 256]

    def sure(contract: Contract, unsure_below: float | None = None) -> list[bool]:
        model = Recorder(contract.replace(smoothing=0.0), answers)
        records = Listener(model, unsure_below=unsure_below).push(audio)
        return [result.sure for result in results_of(records)]

    assert sure(CONTRACT) == [True, True]  # no threshold
    assert sure(CONTRACT.replace(unsure_below=0.5)) == [True, False]
    assert sure(CONTRACT.replace(unsure_below=0.5), unsure_below=0.6) == [False, False]
    assert sure(CONTRACT.replace(unsure_below=0.5), unsure_below=0.0) == [True, True]
    # A model without a threshold can be given one.
    assert sure(CONTRACT, unsure_below=0.5) == [True, False]


class Loudness:
    """Takes what is loud for voice."""

    def process_samples(self, samples: Sequence[float]) -> float:
        return float(max(samples) > 0.1)

    def reset(self) -> None:
        pass


def test_the_model_does_not_run_while_nobody_speaks() -> None:
    contract = CONTRACT.replace(window_frames=40)
    quiet = np.zeros(32_000, np.int16)
    loud = (AUDIO * 4.0).clip(-30_000, 30_000).astype(np.int16)
    model = Recorder(contract)
    listener = Listener(model, gate=SpeechGate(contract, Loudness()))
    found = results_of(listener.push(np.concatenate([quiet, loud, quiet])))
    judged = [result for result in found if result.label is not None]
    assert len(judged) == len(model.seen) < len(found)
    for result in found:
        assert (result.label is None) == (result.scores == {}) == (result.drift is None)
        assert result.label is not None or (not result.sure and result.inference_ms == 0)
        # It is loud from 2 to 3 s; a second later the gate is closed.
        if result.time_s < 2 or result.time_s > 4.1:
            assert result.label is None
        if 2.2 < result.time_s < 3.5:
            assert result.label is not None
            assert result.speech is not None and result.speech > 0


def test_scores_are_not_smoothed_across_a_silence() -> None:
    contract = CONTRACT.replace(smoothing=0.9)
    loud = (20_000 * np.sin(np.arange(16_000))).astype(np.int16)
    audio = np.concatenate([loud, np.zeros(24_000, np.int16), loud])
    listener = Listener(Recorder(contract), gate=SpeechGate(contract, Loudness()))
    found = results_of(listener.push(audio))
    first_again = next(
        after
        for before, after in zip(found, found[1:], strict=False)
        if before.label is None and after.label is not None and after.time_s > 1.5
    )
    plain = results_of(Listener(Recorder(contract), smoothing=0.0).push(audio))
    assert first_again.scores == {r.time_s: r for r in plain}[first_again.time_s].scores


def test_the_level_covers_the_samples_since_the_last_result() -> None:
    step = HOP * 256
    sine = np.sin(2 * np.pi * 1000 * np.arange(step) / 16_000)
    parts = [np.zeros(CONTRACT.window_samples), 32767 * sine, 3276.7 * sine, np.zeros(step)]
    found = results_of(Listener(Recorder()).push(np.concatenate(parts).astype(np.int16)))
    levels = [result.level_dbfs for result in found]
    assert levels == pytest.approx([MIN_DBFS, 0, -20, MIN_DBFS], abs=0.05)
    assert found[0].clipped == 0 and found[1].clipped > 0


def told_of(samples: NDArray[np.floating], contract: Contract = CONTRACT) -> list[Notice]:
    """The notices for one second of sound, repeated for half a minute."""
    listener = Listener(Recorder(contract), hop_frames=31)
    second = samples.astype(np.int16)
    return notices_of([record for _ in range(30) for record in listener.push(second)])


def test_lasting_silence_and_clipping_are_reported_once() -> None:
    clipping = np.clip(AUDIO * 40.0, -32768, 32767)
    assert told_of(AUDIO) == []
    for sound, code in ((0 * AUDIO, "silence"), (clipping, "clipping")):
        (notice,) = told_of(sound)
        assert (notice.code, notice.level) == (code, "warning")
        assert 10 <= notice.time_s <= 12


def test_silence_and_its_end_are_each_reported_once() -> None:
    listener = Listener(Recorder(), hop_frames=31)
    found: list[Record] = []
    for second in range(40):
        # A constant that is not zero is silence, too.
        sound = np.full(16_000, 3, np.int16) if second < 15 else AUDIO
        found += listener.push(sound)
    silence, back = notices_of(found)
    assert (silence.code, silence.level, back.code, back.level) == (
        *("silence", "warning"),
        *("sound", "info"),
    )
    assert 15 <= back.time_s <= 16 and "sound again after 15 s" in back.text


def test_a_moment_of_silence_or_clipping_is_not_reported() -> None:
    listener = Listener(Recorder(), hop_frames=31)
    found: list[Record] = []
    for second in range(45):
        sound = 0.0 if second in (20, 21, 22) else 40.0 if second == 40 else 1.0
        found += listener.push(np.clip(AUDIO * sound, -32768, 32767).astype(np.int16))
    assert notices_of(found) == []


def test_lasting_drift_is_reported_once_and_never_without_a_limit() -> None:
    drifts = [result.drift for result in results_of(Listener(Recorder()).push(AUDIO))]
    found = [drift for drift in drifts if drift is not None]
    assert len(found) == len(drifts)
    above, below = CONTRACT.replace(drift_limit=min(found) / 2), max(found) * 2
    (notice,) = told_of(AUDIO, above)
    assert notice.code == "drift"
    assert told_of(AUDIO, CONTRACT.replace(drift_limit=below)) == []
    assert told_of(AUDIO, CONTRACT) == []


def test_above_the_drift_limit_no_result_is_sure_and_no_event_starts() -> None:
    drifts = [r.drift for r in results_of(Listener(Recorder()).push(AUDIO)) if r.drift is not None]
    answers = [[0.9, 0.1, 0.0]] * 1000
    for limit, sure in ((min(drifts) / 2, False), (max(drifts) * 2, True), (0.0, True)):
        listener = Listener(Recorder(CONTRACT.replace(drift_limit=limit), answers))
        records = [record for _ in range(3) for record in listener.push(AUDIO)]
        assert {result.sure for result in results_of(records)} == {sure}
        assert any(isinstance(record, Event) for record in records) is sure
    # With the limit at the median, each window's own drift decides.
    limit = float(np.median(drifts))
    for result in results_of(Listener(Recorder(CONTRACT.replace(drift_limit=limit))).push(AUDIO)):
        assert result.drift is not None and result.sure is (result.drift <= limit)


def test_the_label_none_is_a_result_without_event_and_arousal() -> None:
    contract = CONTRACT.replace(labels=("anger", "neutral", "none"), smoothing=0.0)
    answers = [[0.1, 0.1, 0.8]] * 6 + [[0.6, 0.2, 0.2]] * 200
    listener = Listener(Recorder(contract, answers), events=EventTracker(0.1, 0.0))
    records = listener.push(AUDIO)
    results = results_of(records)
    assert {r.label for r in results[:6]} == {"none"} and results[6].label == "anger"
    assert all(r.sure and r.arousal is None and r.emotion is None for r in results[:6])
    assert results[6].arousal == pytest.approx(0.75)
    assert results[6].record()["arousal"] == 0.75
    (event,) = (record for record in records if isinstance(record, Event))
    assert (event.kind, event.label) == ("start", "anger")
    assert event.start_s == pytest.approx(results[6].time_s - listener.hop_s)


def test_arousal_comes_from_the_smoothed_scores() -> None:
    contract = CONTRACT.replace(labels=("anger", "neutral", "none"), smoothing=0.5)
    answers = [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]] * 100
    results = results_of(Listener(Recorder(contract, answers)).push(AUDIO))
    assert [r.arousal for r in results[:2]] == pytest.approx([0.9, 0.5])


def test_an_event_begins_and_ends_with_the_stream() -> None:
    listener = Listener(Recorder(answers=[[0.9, 0.1, 0.0]] * 1000))
    records = [record for _ in range(3) for record in listener.push(AUDIO)]
    (start,) = [record for record in records if isinstance(record, Event)]
    assert (start.kind, start.label) == ("start", "calm")
    (end,) = listener.finish()
    assert isinstance(end, Event)
    assert (end.kind, end.id, end.start_s) == ("end", start.id, start.start_s)
    assert end.end_s == pytest.approx(results_of(records)[-1].time_s)


def test_a_gap_ends_an_event() -> None:
    listener = Listener(Recorder(answers=[[0.9, 0.1, 0.0]] * 1000))
    for _ in range(3):
        listener.push(AUDIO)
    (end,) = listener.gap(5.0)
    assert isinstance(end, Event) and end.kind == "end"


def test_the_padding_of_a_short_stream_does_not_change_the_level() -> None:
    listener = Listener(Recorder())
    sine = 32767 * np.sin(2 * np.pi * 1000 * np.arange(1600) / 16_000)
    listener.push(sine.astype(np.int16))
    (result,) = results_of(listener.finish())
    assert result.level_dbfs == pytest.approx(0, abs=0.05)


def test_one_huge_push_gives_the_same_results_as_small_ones() -> None:
    audio = np.tile(AUDIO, 20)  # more than is processed at once
    contract = CONTRACT.replace(hop_frames=1000)
    whole = Listener(Recorder(contract)).push(audio)
    listener = Listener(Recorder(contract))
    pieces = [r for n in range(0, len(audio), 777) for r in listener.push(audio[n : n + 777])]
    assert facts(whole) == facts(pieces) != []
