"""The filter before the level and the gate, compared with its design."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sernet_edge.runtime.high_pass import HighPass, impulse_response

RATES = [8_000, 16_000, 48_000]


def tone(hz: float, rate: int, seconds: float = 2.0) -> NDArray[np.int16]:
    time = np.arange(round(seconds * rate)) / rate
    return np.rint(20_000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def gain_db(hz: float, rate: int) -> float:
    sound = tone(hz, rate)
    heard = HighPass(rate).push(sound)[rate:]
    return float(20 * np.log10(heard.std() / sound[rate:].std()))


@pytest.mark.parametrize("rate", RATES)
def test_hum_is_removed_and_a_voice_is_not(rate: int) -> None:
    for hz in (16.7, 49.5, 50.0, 50.5, 60.0):
        assert gain_db(hz, rate) < -49
    assert gain_db(90, rate) == pytest.approx(-3.1, abs=0.3)
    for hz in (120, 200, 1000, 3500):
        assert gain_db(hz, rate) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("rate", RATES)
def test_it_is_the_inverse_chebyshev_filter_that_scipy_designs(rate: int) -> None:
    signal = pytest.importorskip("scipy.signal")
    sections = signal.cheby2(7, 50, 62, "high", output="sos", fs=rate)
    impulse = np.zeros(len(impulse_response(rate, round(0.128 * rate))))
    impulse[0] = 1
    # Scipy shifts the edge by a ten-thousandth, so that it is at 62 Hz after the transform.
    np.testing.assert_allclose(
        impulse_response(rate, len(impulse)), signal.sosfilt(sections, impulse), atol=2e-4
    )


def test_an_offset_is_removed_from_the_first_sample_on() -> None:
    sound = tone(300, 16_000)
    np.testing.assert_allclose(
        HighPass(16_000).push(sound + np.int16(9_000)), HighPass(16_000).push(sound), atol=0.01
    )


def test_pieces_of_any_size_give_the_same() -> None:
    sound = np.random.default_rng(1).normal(0, 5000, 40_000).astype(np.int16)
    whole = HighPass(16_000).push(sound)
    for size in (3_000, 7_777, 16_384):
        high_pass = HighPass(16_000)
        pieces = [high_pass.push(sound[n : n + size]) for n in range(0, len(sound), size)]
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_a_stream_may_begin_with_few_samples(count: int) -> None:
    high_pass = HighPass(16_000)
    assert len(high_pass.push(np.full(count, 5, np.int16))) == count
    assert np.abs(high_pass.push(np.full(5_000, 5, np.int16))).max() < 1e-6


def test_reset_forgets_earlier_audio() -> None:
    high_pass = HighPass(16_000)
    first = high_pass.push(tone(300, 16_000))
    high_pass.push(np.full(5_000, 30_000, np.int16))
    high_pass.reset()
    np.testing.assert_array_equal(high_pass.push(tone(300, 16_000)), first)
