"""A lasting condition is reported once per episode."""

from __future__ import annotations

from sernet_edge.runtime.episode import Lasting


def told(watch: Lasting, holds: str, start_s: int = 0) -> list[int]:
    """The seconds of the reports; in each second, a letter, the condition holds ("x") or not."""
    return [
        start_s + second
        for second, letter in enumerate(holds)
        if watch.begins(letter == "x", start_s + second)
    ]


def test_a_condition_is_reported_once_however_long_it_lasts() -> None:
    assert told(Lasting(), "..xxxxxx") == [2]


def test_a_condition_is_reported_when_it_has_lasted_long_enough() -> None:
    assert told(Lasting(after_s=5), ".xxxxxxxx") == [6]
    assert told(Lasting(after_s=5), ".xxxxx.xxxxx.") == []


def test_short_pauses_do_not_interrupt_a_condition() -> None:
    assert told(Lasting(after_s=5, pause_s=3), ".xx..xxxx") == [6]
    assert told(Lasting(after_s=5, pause_s=3), ".xx.....xxx") == []


def test_a_condition_is_reported_again_only_after_a_minute_without_it() -> None:
    watch = Lasting()
    assert told(watch, "x" + "." * 59 + "xx") == [0]
    assert told(watch, "." * 62 + "x", start_s=62) == [124]
