"""Impulse responses of rooms."""

from __future__ import annotations

import numpy as np
import pytest

from sernet_edge.train.rooms import rooms

RATE_HZ = 16_000


def reverberation_s(response: np.ndarray) -> float:
    """Return the RT60 by Schroeder's backward integration, between -5 and -25 dB (ISO 3382)."""
    left = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-12)
    fitted = np.flatnonzero((decay_db < -5) & (decay_db > -25))
    return -60 / np.polyfit(fitted / RATE_HZ, decay_db[fitted], 1)[0]


def test_rooms_have_real_reverberation_times_and_no_gain() -> None:
    responses = rooms(RATE_HZ).responses
    assert len(responses) >= 200
    for response in responses:
        assert np.abs(response[:64]).max() > 0  # the direct sound comes without delay
        assert (response.astype(float) ** 2).sum() == pytest.approx(1, rel=1e-5)
    times = [reverberation_s(response) for response in responses]
    assert 0.05 < min(times) < 0.25
    assert 0.45 < max(times) < 1.0


def test_a_voice_in_a_room_is_its_convolution_with_a_response() -> None:
    samples = np.random.default_rng(0).normal(0, 1000, 5000)
    bank = rooms(RATE_HZ)
    heard = bank.heard(samples, np.random.default_rng(3))
    number = int(np.random.default_rng(3).integers(len(bank.responses)))
    expected = np.convolve(samples, bank.responses[number].astype(float))[:5000]
    np.testing.assert_allclose(heard, expected, atol=0.5)


def test_rooms_are_the_same_each_time() -> None:
    first = rooms(RATE_HZ).responses
    rooms.cache_clear()
    again = rooms(RATE_HZ).responses
    for one, other in zip(first, again, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
