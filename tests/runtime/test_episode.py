"""What lasts is told once per episode."""

from __future__ import annotations

from sernet_edge.runtime.episode import Lasting


def told(watch: Lasting, holds: str, start_s: int = 0) -> list[int]:
    """The seconds at which it is told, given a second a letter in which it holds ("x") or not."""
    return [
        start_s + second
        for second, letter in enumerate(holds)
        if watch.begins(letter == "x", start_s + second)
    ]


def test_it_is_told_once_however_long_it_lasts() -> None:
    assert told(Lasting(), "..xxxxxx") == [2]


def test_it_is_told_when_it_has_lasted_for_long_enough() -> None:
    assert told(Lasting(after_s=5), ".xxxxxxxx") == [6]
    assert told(Lasting(after_s=5), ".xxxxx.xxxxx.") == []


def test_short_pauses_do_not_interrupt_it() -> None:
    assert told(Lasting(after_s=5, pause_s=3), ".xx..xxxx") == [6]
    assert told(Lasting(after_s=5, pause_s=3), ".xx.....xxx") == []


def test_it_is_news_again_only_after_a_minute_without() -> None:
    watch = Lasting()
    assert told(watch, "x" + "." * 59 + "xx") == [0]
    assert told(watch, "." * 62 + "x", start_s=62) == [124]
