"""The listener: windows, hops, smoothing, and independence of the chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sernet_edge.runtime import Contract, ContractError, FrontEnd, Listener, Result, SernetError
from sernet_edge.runtime.frontend import Float32, feature_rows
from sernet_edge.runtime.records import Record

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
    """A classifier that keeps what it is shown and answers from a list, or from the features."""

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


def facts(results: list[Record]) -> list[dict[str, object]]:
    return [result.record(timing=False) for result in results]


def test_window_n_covers_the_frames_from_n_hops_on() -> None:
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


def test_a_result_comes_with_the_last_sample_of_its_window_and_not_before() -> None:
    listener = Listener(Recorder())
    assert listener.push(AUDIO[: CONTRACT.window_samples - 1]) == []
    assert len(listener.push(AUDIO[CONTRACT.window_samples - 1 : CONTRACT.window_samples])) == 1


def test_scores_are_smoothed_and_the_first_window_starts_them() -> None:
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
@given(st.lists(st.integers(0, 6000), min_size=1, max_size=30))
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


def test_no_window_reaches_over_a_gap_and_time_goes_on_behind_it() -> None:
    listener = Listener(Recorder())
    listener.push(AUDIO[:7000])
    assert listener.time_s == 7000 / 16_000
    assert listener.gap(90.5) == []
    found = results_of(listener.push(AUDIO[7000:]))
    assert listener.time_s == pytest.approx(1 + 90.5)
    # As if the stream had begun there, but for its times.
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
