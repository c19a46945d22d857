"""Finding a device again, and checking its rate, without recording."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from sernet_edge.runtime import AudioError
from sernet_edge.runtime.audio import portaudio
from sernet_edge.runtime.audio.device_checks import RateCheck

WEBCAM, USB, TWIN = "Webcam: Audio (hw:1,0)", "USB Mic: Audio (hw:2,0)", "USB Mic: Audio (hw:3,0)"

Plug = Callable[..., None]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Make sounddevice report these devices, numbered in this order."""
    names: list[str] = []

    def describe(index: int) -> dict[str, Any]:
        return {
            "index": index,
            "name": names[index],
            "hostapi": 0,
            "max_input_channels": 1,
            "default_samplerate": 48_000.0,
        }

    def query(wanted: str | int | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return [describe(index) for index in range(len(names))]
        if isinstance(wanted, str):
            found = [n for n, name in enumerate(names) if wanted.lower() in name.lower()]
            if len(found) != 1:
                raise ValueError(f"{len(found)} devices match")
            return describe(found[0])
        return describe(wanted or 0)

    fake = types.SimpleNamespace(
        PortAudioError=RuntimeError,
        query_devices=query,
        query_hostapis=lambda _: {"name": "ALSA"},
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)

    def set_names(*now: str) -> None:
        names[:] = now

    return set_names


def test_a_device_chosen_by_number_is_found_again_by_its_name(plug: Plug) -> None:
    plug(WEBCAM, USB)
    before = portaudio.find_input(1)
    assert before.name == USB
    plug(USB)
    assert portaudio.find_again(1, before).index == 0
    # Another device now has its number.
    plug(USB, WEBCAM)
    assert portaudio.find_again(1, before).name == USB


def test_a_device_is_found_again_as_another_card(plug: Plug) -> None:
    plug(WEBCAM, USB)
    before = portaudio.find_input(1)
    plug(WEBCAM, TWIN)
    assert portaudio.find_again(1, before).name == TWIN
    plug(WEBCAM)
    with pytest.raises(AudioError, match="no microphone 'USB Mic: Audio'"):
        portaudio.find_again(1, before)


def test_of_two_equal_devices_the_one_of_the_same_card_is_chosen(plug: Plug) -> None:
    plug(TWIN, USB)
    before = portaudio.find_input(1)
    plug(USB, TWIN)
    assert portaudio.find_again(1, before).name == USB


def told_at(delivered_hz: float, seconds: int, pause: int | None = None) -> list[tuple[int, str]]:
    """When a device that claims 48 kHz is reported; it delivers every tenth of a second.

    In second `pause` nothing comes; afterwards, the missing samples come at once.
    """
    check = RateCheck(48_000)
    told = []
    waiting = 0
    for tick in range(10 * seconds):
        waiting += round(delivered_hz / 10)
        if pause is not None and pause <= tick / 10 < pause + 2:
            continue
        incident = check.see(waiting, tick / 10, lost=False)
        waiting = 0
        if incident is not None:
            told.append((tick // 10, incident.level))
    return told


@pytest.mark.parametrize("delivered_hz", [44_100, 16_000, 96_000])
def test_a_wrong_rate_is_reported_once_after_two_measurements(delivered_hz: int) -> None:
    assert told_at(delivered_hz, 300) == [(60, "warning")]


@pytest.mark.parametrize("delivered_hz", [48_000, 48_050, 47_600])
def test_the_error_of_a_cheap_quartz_is_not_reported(delivered_hz: int) -> None:
    assert told_at(delivered_hz, 300) == []


def test_a_burst_after_a_pause_is_not_reported() -> None:
    assert told_at(48_000, 300, pause=45) == []


def test_lost_audio_does_not_count_as_a_wrong_rate() -> None:
    check = RateCheck(48_000)
    told = [check.see(3000, tick / 10, lost=tick % 50 == 0) for tick in range(3000)]
    assert told == [None] * 3000


def test_a_rate_that_is_right_again_is_reported() -> None:
    check = RateCheck(48_000)
    told = [check.see(4410 if tick < 900 else 4800, tick / 10, False) for tick in range(2000)]
    assert [incident.level for incident in told if incident] == ["warning", "info"]
