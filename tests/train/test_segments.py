"""The training windows of a recording, and their cost in an epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from sernet_edge.runtime.contract import Contract, Level
from sernet_edge.runtime.frontend import Float32, FrontEnd, feature_rows
from sernet_edge.train.corpora.utterance import Utterance
from sernet_edge.train.recipe import Recipe, Segments
from sernet_edge.train.recordings import Recording
from sernet_edge.train.windows import TrainingSet, TrainingWindows

if TYPE_CHECKING:
    from sernet_edge.train.losses import Batch, Objective

# A third of a second, so that training is quick.
CONTRACT = Contract(
    labels=("a", "b"), mean=(0.0,) * 40, std=(1.0,) * 40, level="none", window_frames=16
)
WINDOW = CONTRACT.window_samples

PLAIN = Recipe(gain_db=0, time_mask_frames=0, mfcc_mask=0)
"""A recipe that changes nothing except the position of a window."""


def recording(samples: int, label: str = "a", seed: int = 3) -> Recording:
    noise = np.random.default_rng(seed).normal(0, 2000, samples).astype(np.int16)
    return Recording(Utterance(Path(f"{seed}.wav"), label, "1"), noise)


def cut(its: Recording, segments: Segments, level: Level = "none", **change: float) -> Float32:
    """Return the windows of a recording that an epoch trains on."""
    recipe = replace(PLAIN, segments=segments, **change)
    windows = TrainingSet(TrainingWindows(CONTRACT.replace(level=level), recipe), [its])
    rng = np.random.default_rng(0)
    return np.stack([windows.window(index, rng) for index in range(len(windows))])


def features(samples: NDArray[np.int16], level: Level = "none") -> Float32:
    front_end = FrontEnd(CONTRACT.replace(level=level))
    return front_end.window_features(feature_rows(front_end, samples))


def test_the_middle_of_a_recording_has_as_much_before_it_as_after_it() -> None:
    its = recording(WINDOW + 2000)
    (window,) = cut(its, "middle")
    np.testing.assert_array_equal(window, features(its.samples[1000:-1000]))


@pytest.mark.parametrize("segments", ["middle", "all"])
def test_a_short_recording_is_in_the_middle_of_silence(segments: Segments) -> None:
    its = recording(WINDOW - 2000)
    (window,) = cut(its, segments)
    np.testing.assert_array_equal(window, features(np.pad(its.samples, 1000)))


def test_a_running_level_starts_with_the_speech() -> None:
    its = recording(WINDOW - 2000)
    (window,) = cut(its, "middle", "running")
    np.testing.assert_array_equal(window, features(np.pad(its.samples, (0, 2000)), "running"))


@pytest.mark.parametrize("over", [-2000, 0, 2 * WINDOW + 600])
@pytest.mark.parametrize("segments", ["random", "middle", "all"])
def test_a_recording_can_be_tested_on_its_middle_alone(segments: Segments, over: int) -> None:
    its = recording(WINDOW + over)
    recipe = replace(PLAIN, segments=segments, test_segments="middle")
    windows = TrainingWindows(CONTRACT, recipe).test_windows(its)
    np.testing.assert_array_equal(windows, cut(its, "middle"))


@pytest.mark.parametrize("over", [0, 600])
def test_all_segments_lie_side_by_side_around_the_middle(over: int) -> None:
    its = recording(3 * WINDOW + over)
    windows = cut(its, "all")
    inside = its.samples[over // 2 : len(its.samples) - over // 2]
    expected = [features(part) for part in np.split(inside, 3)]
    np.testing.assert_array_equal(windows, expected)


def test_a_segment_at_another_speed_is_filled_with_the_audio_around_it() -> None:
    # Digital silence would show as equal frames.
    for window in cut(recording(2 * WINDOW), "all", speed=0.2):
        assert len(np.unique(window[:, 20])) == CONTRACT.window_frames


def test_an_epoch_goes_through_all_segments_and_class_weights_count_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sernet_edge.train.fit import start
    from sernet_edge.train.losses import Objective

    batches: list[Batch] = []

    def take(_: Objective, batch: Batch) -> dict[str, float]:
        batches.append(batch)
        return {"loss": 1.0, "accuracy": len(batches) % 2}

    monkeypatch.setattr(Objective, "step", take)
    recordings = [recording(3 * WINDOW, "a", 1), recording(WINDOW, "b", 2)]
    recipe = replace(
        PLAIN,
        segments="all",
        epochs=1,
        batch_size=3,
        mixup=0,
        label_smoothing=0,
        class_weights=True,
    )
    contract = CONTRACT.replace(level="window")
    fit = start(contract, recipe, recordings, 1, tmp_path / "c.npz", "light-sernet-quarter")
    fit.run(lambda epoch, entry: None)
    seen = np.concatenate([batch.inputs[..., 0] for batch in batches])
    expected = TrainingSet(fit.windows, recordings)
    rng = np.random.default_rng(0)
    assert sorted(window.tobytes() for window in seen) == sorted(
        expected.window(index, rng).tobytes() for index in range(4)
    )
    assert [len(batch.inputs) for batch in batches] == [3, 1]
    assert fit.history[0]["accuracy"] == 3 / 4  # 1 in the batch of three, 0 in the other
    weights = np.concatenate([batch.targets for batch in batches]).sum(axis=0)
    assert weights.tolist() == pytest.approx([2, 2])


def counted(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Float32], int]:
    """Return a recording's windows in three epochs, and how often features were computed."""
    calls = []
    compute = TrainingWindows.training_window

    def counting(
        self: TrainingWindows, its: Recording, rng: np.random.Generator, segment: int = 0
    ) -> Float32:
        calls.append(segment)
        return compute(self, its, rng, segment)

    monkeypatch.setattr(TrainingWindows, "training_window", counting)
    windows = TrainingSet(TrainingWindows(CONTRACT, recipe), [recording(2 * WINDOW)])
    return [windows.window(0, np.random.default_rng(epoch)) for epoch in range(3)], len(calls)


def test_features_that_stay_the_same_are_computed_once_and_masked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (plain,) = cut(recording(2 * WINDOW), "middle")
    masked, calls = counted(
        replace(PLAIN, segments="middle", time_mask_frames=8, mfcc_mask=8), monkeypatch
    )
    assert calls == 1
    assert len({window.tobytes() for window in masked}) == 3
    for window in masked:
        np.testing.assert_array_equal(window, np.where(window == 0, 0, plain))


@pytest.mark.parametrize(
    "change",
    [
        {"segments": "random"},
        {"speed": 0.3},
        {"reverb_s": 0.3},
        {"equaliser_db": 6.0},
        {"noise_snr_db": 10.0},
        {"gain_db": 6.0},
        {"quiet_db": 6.0},
    ],
)
def test_features_that_change_are_computed_for_every_epoch(
    change: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows, calls = counted(replace(PLAIN, **{"segments": "middle", **change}), monkeypatch)
    assert calls == 3
    assert len({window.tobytes() for window in windows}) == 3


def test_levels_are_between_the_gain_and_the_quietest() -> None:
    recipe = replace(PLAIN, gain_db=5.0, quiet_db=20.0)
    contract = Contract(
        labels=("a", "b"), mean=(0.0,), std=(100.0,), clip=50.0, level="none", window_frames=60
    )
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 3000, contract.window_samples).astype(np.int16)
    recording = Recording(Utterance(Path("x.wav"), "a", "1"), samples)
    plain, changed = (
        [
            # c0 of 64 bands is 8 times the mean ln(power).
            float(window[:, 0].mean()) * 100 / 8 * 10 / np.log(10)
            for window in (windows.training_window(recording, rng) for _ in range(100))
        ]
        for windows in (TrainingWindows(contract, PLAIN), TrainingWindows(contract, recipe))
    )
    gains_db = np.array(changed) - plain[0]
    assert -25.2 < gains_db.min() < -22 and 3 < gains_db.max() < 5.2
