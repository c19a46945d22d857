"""Events: one for each sentence, with its onset and its end."""

from __future__ import annotations

from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.events import EventTracker
from sernet_edge.runtime.records import Event, Result

HOP_S = 0.5


def result(time_s: float, label: str | None, score: float = 0.8, sure: bool = True) -> Result:
    scores = {} if label is None else {label: score, "other": 1 - score}
    return Result(time_s, label, scores, sure, None, -20.0, 0, None, 0.0, 0.0)


def events_of(tracker: EventTracker, leaders: str, start_s: float = 3.0) -> list[Event]:
    """Let labels lead, a letter a hop: "." is no speech, "?" an unsure anger."""
    found = []
    for index, letter in enumerate(leaders):
        time_s = start_s + index * HOP_S
        label = {".": None, "?": "a"}.get(letter, letter)
        found += tracker.see(result(time_s, label, sure=letter not in ".?"), time_s - HOP_S)
    return found


def kinds(events: list[Event]) -> list[tuple[str, int, str]]:
    return [(event.kind, event.id, event.label) for event in events]


def test_a_label_that_leads_for_long_enough_is_an_event_from_its_onset_to_its_end() -> None:
    events = events_of(EventTracker(1.0, 0.0), "..aaaaaa........")
    # The first hop of anger is from 3.5 to 4 s, the last ends at 6.5 s.
    assert events == [
        Event("start", 1, "a", 3.5, None, 0.8),
        Event("end", 1, "a", 3.5, 6.5, 0.8),
    ]


def test_the_start_is_reported_as_soon_as_the_label_has_led_long_enough() -> None:
    for evidence_s, hops in ((0.5, 1), (1.0, 2), (2.0, 4), (2.1, 5)):
        assert kinds(events_of(EventTracker(evidence_s), "a" * hops)) == [("start", 1, "a")]
        assert events_of(EventTracker(evidence_s), "a" * (hops - 1)) == []


def test_a_single_window_is_not_an_event() -> None:
    assert events_of(EventTracker(1.0), "..a....") == []


def test_unsure_results_do_not_begin_an_event() -> None:
    assert events_of(EventTracker(1.0), "????????") == []


def test_none_begins_no_event_and_counts_as_a_pause_in_another() -> None:
    def letters(leaders: str) -> list[Event]:
        tracker, found = EventTracker(1.0, 0.0), []
        for index, letter in enumerate(leaders):
            time_s = 3 + index * HOP_S
            label = {"n": NONE}.get(letter, letter)
            found += tracker.see(result(time_s, label), time_s - HOP_S)
        return found

    assert letters("n" * 40) == []
    assert kinds(letters("aaanaaannnnnn")) == [("start", 1, "a"), ("end", 1, "a")]
    # "none" interrupts a label's lead: single hops of anger don't add up.
    assert letters("ananananan") == []


def test_one_angry_sentence_is_one_event_despite_pauses_and_other_labels() -> None:
    events = events_of(EventTracker(1.0, 0.0), "aaa..aa?aabaaa.baa......")
    assert kinds(events) == [("start", 1, "a"), ("end", 1, "a")]


def test_two_sentences_far_apart_are_two_events() -> None:
    events = events_of(EventTracker(1.0, 1.0), "aaaa........aaaa....")
    assert kinds(events) == [(k, n, "a") for n in (1, 2) for k in ("start", "end")]


def test_no_event_of_the_same_label_begins_within_the_refractory_time() -> None:
    leaders = "aaaa....aaaaaaaaaaaaaaaa"
    (start, end, again) = events_of(EventTracker(1.0, 4.0), leaders)
    assert end.end_s is not None
    assert (start.kind, end.kind, again.kind) == ("start", "end", "start")
    assert again.start_s == end.end_s + 4.0
    # Without it, the second would have begun with its own onset.
    assert events_of(EventTracker(1.0, 0.0), leaders)[2].start_s == 3.0 + 7 * HOP_S


def test_another_label_takes_over_when_the_first_has_not_led_for_a_while() -> None:
    events = events_of(EventTracker(1.0, 10.0), "aaaabbbbbb")
    assert kinds(events) == [("start", 1, "a"), ("end", 1, "a"), ("start", 2, "b")]
    assert events[2].start_s == 3.0 + 3 * HOP_S  # where b first led, although it is reported later


def test_the_peak_is_the_highest_score_of_the_event() -> None:
    tracker = EventTracker(1.0)
    found = []
    for index, score in enumerate((0.5, 0.6, 0.9, 0.7)):
        found += tracker.see(result(3 + index * HOP_S, "a", score), 3 + (index - 1) * HOP_S)
    assert [event.peak for event in found + tracker.end()] == [0.6, 0.9]


def test_the_end_of_the_stream_ends_the_event_and_the_next_event_is_new() -> None:
    tracker = EventTracker(1.0, 0.0)
    events_of(tracker, "aaaa")
    assert kinds(tracker.end()) == [("end", 1, "a")]
    assert tracker.end() == []
    assert events_of(tracker, "a", start_s=100.0) == []
    assert kinds(events_of(tracker, "a", start_s=100.5)) == [("start", 2, "a")]
