"""The comparison of level settings for networks that share rows, and its page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import streaming_levels_page
from click.testing import CliRunner
from speech_bank import CONDITIONS
from streaming_levels import SYSTEMS

from sernet_edge.runtime.contract import Contract
from sernet_edge.train.new_contract import new_contract

CAUSAL = ("none", "PCEN", "decaying maximum")


@pytest.fixture
def contract() -> Contract:
    return new_contract(("angry", "calm"), "none", 198)


@pytest.fixture
def logs() -> np.ndarray:
    """Return log mel energies of a sound that gets louder and quieter, (300, 64)."""
    rng = np.random.default_rng(5)
    loudness = 3 * np.sin(np.arange(300) / 20)
    return loudness[:, None] + rng.normal(-4, 1, (300, 64))


@pytest.mark.parametrize("name", CAUSAL)
def test_a_row_does_not_depend_on_later_frames(
    name: str, contract: Contract, logs: np.ndarray
) -> None:
    rows = SYSTEMS[name].rows
    np.testing.assert_allclose(rows(logs, contract)[:120], rows(logs[:120], contract), rtol=1e-12)


def test_without_a_level_a_gain_changes_only_c0(contract: Contract, logs: np.ndarray) -> None:
    rows = SYSTEMS["none"].rows
    difference = rows(logs + 2.0, contract) - rows(logs, contract)
    np.testing.assert_allclose(difference[:, 0], 2.0 * np.sqrt(logs.shape[1]))
    np.testing.assert_allclose(difference[:, 1:], 0, atol=1e-9)


def test_with_a_running_maximum_a_gain_changes_nothing(
    contract: Contract, logs: np.ndarray
) -> None:
    rows = SYSTEMS["decaying maximum"].rows
    np.testing.assert_allclose(rows(logs + 2.0, contract), rows(logs, contract), atol=1e-9)


def test_the_maximum_falls_by_three_decibels_per_second(contract: Contract) -> None:
    second = round(1 / contract.frame_step_s)
    logs = np.full((second + 1, 64), -9.0)
    logs[0] = 0.0
    c0 = SYSTEMS["decaying maximum"].rows(logs, contract)[:, 0] / np.sqrt(64) * 10 / np.log(10)
    fall = -90 / np.log(10)
    assert c0[0] == 0
    assert c0[second] == pytest.approx(fall + 3 * second * contract.frame_step_s)


def test_pcen_follows_its_authors_definition(contract: Contract, logs: np.ndarray) -> None:
    from sernet_edge.runtime.frontend import dct_matrix

    energies = np.exp(logs) * 2.0**31
    share = 1 - np.exp(-contract.frame_step_s / 0.4)
    smooth, expected = energies[0], []
    for energy in energies:
        smooth = (1 - share) * smooth + share * energy
        expected.append((energy / (1e-6 + smooth) ** 0.98 + 2.0) ** 0.5 - 2.0**0.5)
    rows = SYSTEMS["PCEN"].rows(logs, contract)
    np.testing.assert_allclose(rows, np.array(expected) @ dct_matrix(contract).T, rtol=1e-9)


def test_the_page_has_mean_and_range_over_the_seeds(tmp_path: Path) -> None:
    figures = {
        f"{system}, seed {seed}, {corpus}": dict.fromkeys(CONDITIONS, 40.0 + 2 * seed + 3 * place)
        for place, system in enumerate(SYSTEMS)
        for seed in (1, 2)
        for corpus in ("emodb", "nemo")
    }
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps({"epochs": 1, "figures": figures}))
    done = CliRunner().invoke(
        streaming_levels_page.main, [str(saved), "--out", str(tmp_path / "page.md")]
    )
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.md").read_text()
    assert "| none | 43.0 (42.0 to 44.0) |" in page
    assert "| window (whole windows) | 52.0 (51.0 to 53.0) |" in page
    assert "up to 2.0 points" in page
