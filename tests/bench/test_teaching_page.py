"""The page about teaching, and the measurement of its figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import teaching
import teaching_page
import unlabelled
from teaching_methods import METHODS, class_means

from sernet_edge.runtime.teach.fit import TaughtClips
from sernet_edge.runtime.teach.head import Head

ROOT = Path(__file__).parents[2]


def test_class_means_choose_the_nearest_label() -> None:
    rng = np.random.default_rng(3)
    windows = tuple(rng.normal(0, 1, (1, 5)) for _ in range(3))
    clips = TaughtClips(windows, np.array([0, 2, 2]))
    head = class_means(Head(np.zeros((3, 5)), np.zeros(3)), clips)
    means = {0: windows[0][0], 2: (windows[1][0] + windows[2][0]) / 2}
    for point in rng.normal(0, 1, (20, 5)):
        nearest = min(means, key=lambda c: float(np.sum((point - means[c]) ** 2)))
        assert head.logits(point[None])[0].argmax() == nearest


def test_a_head_that_adapts_to_true_shares_removes_an_offset() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 300)
    # The logits separate two labels, but an offset hides it.
    stream = [np.array([[1.0 if c else -1.0, 1.0]]) for c in truth]
    head = Head(np.array([[-3.0, 0.0], [3.0, 0.0]]), np.array([8.0, 0.0]))
    before = np.array([head.logits(windows)[0].argmax() for windows in stream])
    assert unlabelled.uar_of_the_end(before, truth) == 0.5
    guess = unlabelled.guesses(head, stream, np.array([0.5, 0.5]))
    assert unlabelled.uar_of_the_end(guess, truth) == 1.0


def test_a_stream_has_the_requested_shares() -> None:
    truth = np.array([0, 0, 1, 2])
    shares = np.array([0.8, 0.2, 0.0])
    drawn = truth[unlabelled.stream_of(truth, shares, np.random.default_rng(5))]
    assert (drawn == 0).mean() == pytest.approx(0.8, abs=0.1) and not (drawn == 2).any()


def test_a_cheap_microphone_removes_low_and_high_frequencies() -> None:
    time = np.arange(16_000) / 16_000

    def loss_db(hz: float) -> float:
        tone = np.rint(10_000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)
        heard = teaching._through_microphone(tone, 16_000)
        return float(20 * np.log10(np.std(heard) / np.std(tone)))

    assert loss_db(950) == pytest.approx(-6, abs=1)  # the gain
    # First-order slopes: 3 dB at the edges, 10 dB at a third and at three times.
    assert loss_db(300) == pytest.approx(-6 - 3, abs=0.2)
    assert loss_db(100) == pytest.approx(-6 - 10, abs=0.2)


def test_the_page_has_means_and_ranges() -> None:
    figures = {name: [0.1, 0.2, 0.3] for name in METHODS}
    others = ("int8", "wrong labels", "microphone", "microphone untaught", "others")
    figures |= {name: [0.5, 0.5] for name in (*others, "others untaught", "anger only")}
    result = {
        "corpus": "ravdess",
        "model": "m.tflite",
        "contract": "c0",
        "trained_on": "emodb",
        "labels": ["anger", "fear"],
        "speakers": 2,
        "recordings": 1234,
        "clips": {"1": figures, "2": {**figures, "untaught": [0.7]}},
        "unlabelled": {f"balanced, {way}": [0.25] for way in teaching_page._WAYS},
    }
    head = {"draws": 3}
    text = teaching_page.page({**head, "wrong_share": 0.1, "results": [result]}, "saved.json")
    assert "| untaught | 20.0 (10.0 to 30.0) | 70.0 (70.0 to 70.0) |" in text
    assert "| anger only | 50.0 (20.0) | 50.0 (70.0) |" in text
    assert "| balanced | 25.0 (25.0 to 25.0) |" in text
    assert "neutral only" not in text and "1,234 recordings of 2 speakers" in text


@pytest.mark.parametrize(
    ("trained", "words"),
    [
        ("nemo", "trained on nemo, but not on this corpus"),
        ("nemo+ravdess", "trained on nemo and ravdess, but not on this corpus"),
        ("emodb+ravdess", "Its training may include these speakers"),
    ],
)
def test_the_page_says_whether_training_included_the_speakers(trained: str, words: str) -> None:
    saved = json.loads((ROOT / "benchmarks/teaching.json").read_text())
    result = {**saved["results"][0], "trained_on": trained}
    assert result["corpus"] == "emodb"
    assert words in teaching_page.page({**saved, "results": [result]}, "saved.json")


def test_the_page_matches_the_saved_figures() -> None:
    folder = ROOT / "benchmarks"
    saved = json.loads((folder / "teaching.json").read_text())
    strict = [json.loads((folder / f"teaching-strict/{k}.json").read_text()) for k in (1, 2, 4)]
    text = teaching_page.page(saved, "benchmarks/teaching.json", strict)
    assert text == (ROOT / "docs/evidence/teaching.md").read_text()
