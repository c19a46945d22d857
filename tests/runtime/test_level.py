"""The level meter, compared with the definitions of its units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from numpy.typing import NDArray

from sernet_edge.runtime.level import Level, LevelMeter
from sernet_edge.runtime.records import MIN_DBFS

TIME = np.arange(16_000) / 16_000


def read(samples: NDArray[np.floating]) -> Level:
    meter = LevelMeter()
    meter.add(np.clip(samples, -32768, 32767).astype(np.int16))
    return meter.read()


def test_a_sine_at_full_scale_is_0_dbfs_and_a_tenth_of_it_20_less() -> None:
    sine = 32767 * np.sin(2 * np.pi * 1000 * TIME)
    assert read(sine).dbfs == pytest.approx(0, abs=0.01)
    assert read(sine / 10).dbfs == pytest.approx(-20, abs=0.01)


def test_an_offset_does_not_count_as_sound() -> None:
    sine = 1000 * np.sin(2 * np.pi * 1000 * TIME)
    assert read(sine + 5000).dbfs == pytest.approx(read(sine).dbfs, abs=0.01)
    assert read(np.full(100, 5000.0)).dbfs == MIN_DBFS


def test_samples_at_either_end_of_the_scale_are_clipped() -> None:
    level = read(np.array([32767, -32768, 32766, -32767, 0, 40_000]))
    assert (level.clipped, level.clipped_share) == (3, 0.5)


def test_constant_samples_are_still() -> None:
    assert read(np.zeros(100)).still
    assert read(np.tile([500.0, 501.0], 50)).still  # dither
    assert not read(np.tile([0.0, 10.0], 50)).still


def test_no_samples_are_silent_and_not_clipped() -> None:
    assert LevelMeter().read().dbfs == MIN_DBFS
    assert LevelMeter().read().clipped_share == 0


def test_each_reading_starts_from_zero() -> None:
    meter = LevelMeter()
    meter.add(np.full(10, 32767, np.int16))
    assert meter.read().clipped == 10
    assert meter.read().clipped == 0


@settings(max_examples=30, deadline=None)
@given(strategies.lists(strategies.integers(0, 400), min_size=1, max_size=10))
def test_the_reading_does_not_depend_on_the_chunks(sizes: list[int]) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, 2000).astype(np.int16)
    meter = LevelMeter()
    for piece in np.split(samples, np.minimum(np.cumsum(sizes), len(samples)).tolist()):
        meter.add(piece)
    whole = LevelMeter()
    whole.add(samples)
    assert meter.read() == whole.read()
