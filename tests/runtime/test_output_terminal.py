"""The live view, as it appears on a terminal."""

from __future__ import annotations

import dataclasses
import io
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyte
import pytest
from output_cases import CONTRACT, END, LABELS, LOST, SESSION, START, result
from support import quickly

from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.terminal import LiveView
from sernet_edge.runtime.records import Event, Notice, Record


class Terminal(io.TextIOWrapper):
    """A terminal that a view draws on, and that can be read and resized."""

    def __init__(self, columns: int, lines: int, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.Stream(self.screen)
        self.written = ""

    def write(self, text: str) -> int:
        text.encode(self.encoding)
        self.written += text
        self.stream.feed(text.replace("\n", "\r\n"))  # as a terminal's driver does
        return len(text)

    @property
    def size(self) -> os.terminal_size:
        return os.terminal_size((self.screen.columns, self.screen.lines))

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def line(self, beginning: str) -> str:
        found = [line for line in self.shown if line.startswith(beginning)]
        assert len(found) == 1, "\n".join(self.shown)
        return found[0]


SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


Draw = Callable[..., Terminal]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Draw records on a new terminal, or on an earlier one."""

    def drawn(
        *records: Record,
        columns: int = 80,
        lines: int = 24,
        encoding: str = "utf-8",
        session: Session = SESSION,
        colour: bool = True,
        timing: bool = True,
    ) -> Terminal:
        terminal = Terminal(columns, lines, encoding)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: terminal.size)
        terminal.view = LiveView(terminal, session, timing, colour)  # type: ignore[attr-defined]
        for record in records:
            terminal.view.write(record)  # type: ignore[attr-defined]
        return terminal

    return drawn


def minutes() -> list[Record]:
    """Two minutes with each emotion in turn, and silence between them."""
    found: list[Record] = []
    for index in range(60):
        label = LABELS[index // 5 % len(LABELS)] if index % 5 < 4 else None
        found.append(result(3 + 2 * index, label))
    return [*found, START, END, LOST]


def test_everything_fits_80_by_24_and_earlier_lines_stay(draw: Draw) -> None:
    terminal = draw(*minutes())
    used = [line for line in terminal.shown if line]
    assert len(terminal.shown) - terminal.shown[::-1].index(used[-1]) <= 23
    assert max(map(len, terminal.shown)) < 80
    for label in LABELS:
        assert terminal.line(f"  {label} ")
    assert "device is gone" not in terminal.shown  # but in full:
    assert any("warning: the microphone is gone: plug it in again" in line for line in used)
    assert any("0:02.5  anger 3.5 s, peak 90 %" in line for line in used)
    assert any("features 1.5 ms, model 8.5 ms" in line for line in used)


def test_each_result_is_drawn_over_the_one_before(draw: Draw) -> None:
    terminal = draw()
    terminal.write("model  x\naudio  y\n")
    for record in minutes()[:-1]:  # without the loss of the device
        terminal.view.write(record)  # type: ignore[attr-defined]
        assert sum(line.startswith("  anger ") for line in terminal.shown) == 1
    assert terminal.written.count("\x1b[2J") == 0
    assert terminal.written.count("\x1b[?25l") == 1


def test_the_leading_emotion_silence_and_unsure_results_are_shown_in_words(draw: Draw) -> None:
    assert "ANGER  64 %" in draw(result()).shown[1]
    assert "NO SPEECH" in draw(result(label=None)).shown[1]
    assert "UNSURE  anger 64 %" in draw(result(sure=False)).shown[1]


def test_the_trust_line_is_below_everything_else(draw: Draw) -> None:
    for records in ([result()], minutes()):
        used = [line for line in draw(*records, columns=130).shown if line]
        assert used[-1] == f"  {SESSION.trust}"
        used = [line for line in draw(*records, columns=80).shown if line]
        assert " ".join(" ".join(used[-2:]).split()) == SESSION.trust


def test_the_label_none_is_shown_as_no_speech(draw: Draw) -> None:
    contract = CONTRACT.replace(labels=("anger", "neutral", "none"))
    session = dataclasses.replace(SESSION, contract=contract)
    scores = {"anger": 0.1, "neutral": 0.0, "none": 0.9}
    noise = [result(3 + 2 * i, "none", scores=scores) for i in range(5)]
    terminal = draw(*noise, result(13.0, arousal=0.831), session=session, lines=10)
    assert "ANGER  64 %   arousal 83 %" in terminal.shown[0]
    letters = terminal.shown[terminal.shown.index(terminal.line("  last ")) + 1]
    assert letters.rstrip().endswith("·····a")
    assert "NO SPEECH  90 %" in draw(*noise, session=session).shown[1]
    assert any(
        line.startswith("  none ") and line.endswith("90 %")
        for line in draw(*noise, session=session).shown
    )


def test_the_history_has_a_letter_for_every_two_seconds(draw: Draw) -> None:
    terminal = draw(*minutes())
    heights = terminal.line("  last ")
    letters = terminal.shown[terminal.shown.index(heights) + 1]
    strip = letters[14:72]
    assert strip in "aaaa·bbbb·dddd·ffff·hhhh·ssss·nnnn·" * 3
    for height, letter in zip(heights[14:72], strip, strict=False):
        assert height == ("▆" if letter.isalpha() else " ")  # 0.64 of eight eighths


def test_a_gap_in_the_sound_is_a_gap_in_the_history(draw: Draw) -> None:
    terminal = draw(result(3), result(9.0, "sadness"))
    assert "a  s" in terminal.shown[terminal.shown.index(terminal.line("  last ")) + 1]


def test_labels_that_begin_alike_have_letters_of_their_own(draw: Draw) -> None:
    labels = ("sad", "surprised", "sleepy", "angry", "afraid")
    contract = CONTRACT.replace(labels=labels)
    scores = dict.fromkeys(labels, 0.2)
    session = dataclasses.replace(SESSION, contract=contract)
    terminal = draw(result(3, "surprised", scores=scores), session=session, lines=12)
    assert [terminal.line(f"  {name} ") for name in ("sad", "sUrprised", "sLeepy", "aFraid")]
    assert any(line.endswith(" U") for line in terminal.shown)


def test_the_bars_are_as_long_as_the_scores(draw: Draw) -> None:
    terminal = draw(result())
    bars = {label: terminal.line(f"  {label} ")[14:].split()[0] for label in LABELS}
    full = 80 - 1 - 10 - 11
    assert {len(bar) for bar in bars.values()} == {full}  # each stands on a track
    filled = {label: len(bar.replace("─", "").strip("┃")) for label, bar in bars.items()}
    assert filled["anger"] == pytest.approx(0.64 * full, abs=1)
    assert filled["fear"] == pytest.approx(0.06 * full, abs=1)


def test_a_mark_on_the_bars_shows_where_a_label_becomes_sure(draw: Draw) -> None:
    terminal = draw(result())
    scale = next(line for line in terminal.shown if "sure from" in line)
    at = scale.index("┃")
    assert scale[:at].endswith("sure from 60 % ")
    assert at == 14 + int(0.6 * 58)
    for label in LABELS:
        assert terminal.line(f"  {label} ").index("┃") == at
    # The mark is visible inside the bar, too.
    assert terminal.line("  anger ")[at - 1 : at + 2] == "█┃█"


def test_without_a_threshold_there_is_no_mark(draw: Draw) -> None:
    terminal = draw(result(), session=dataclasses.replace(SESSION, unsure_below=0.0))
    assert "┃" not in "".join(terminal.shown) and "sure from" not in "".join(terminal.shown)


def test_the_scores_are_percentages_that_add_up(draw: Draw) -> None:
    thirds = dict.fromkeys(LABELS, 0.0) | {"anger": 0.3333, "fear": 0.3333, "neutral": 0.3334}
    terminal = draw(result(scores=thirds))
    found = [int(terminal.line(f"  {label} ").split()[-2]) for label in LABELS]
    assert sum(found) == 100 and set(found) == {0, 33, 34}


def test_clipping_is_shown_for_some_seconds(draw: Draw) -> None:
    loud = result(3, level_dbfs=-1.5, clipped=7)
    assert draw(loud, result(4)).line("  level ").endswith("-24 dBFS  CLIPPING")
    assert draw(loud, result(9)).line("  level ").endswith("-24 dBFS")


@pytest.mark.parametrize("size", [(60, 15), (30, 8), (12, 4), (3, 2), (200, 60)])
def test_a_terminal_may_be_resized(size: tuple[int, int], draw: Draw) -> None:
    terminal = draw(*minutes())
    terminal.screen.resize(size[1], size[0])
    for time_s in (123.0, 125.0):
        terminal.view.write(result(time_s, "sadness"))  # type: ignore[attr-defined]
    assert sum("sadness"[: size[0] - 5].upper() in line for line in terminal.shown) <= 1
    if size[0] >= 30:
        assert sum("SADNESS  64 %" in line for line in terminal.shown) == 1
    terminal.screen.resize(24, 80)
    terminal.view.write(result(127, "fear"))  # type: ignore[attr-defined]
    assert "FEAR  64 %" in terminal.shown[1]
    assert [terminal.line(f"  {label} ") for label in LABELS]


def test_portaudio_s_messages_about_a_lost_device_are_erased(draw: Draw) -> None:
    terminal = draw(*minutes()[:-1])
    terminal.write("Expression 'alsa_snd_pcm_poll_descriptors_revents(...)' failed\n" * 3)
    terminal.view.write(LOST)  # type: ignore[attr-defined]
    terminal.view.write(result(200.0))  # type: ignore[attr-defined]
    assert not any("Expression" in line for line in terminal.shown)
    for label in LABELS:
        terminal.line(f"  {label}")
    assert terminal.written.count("\x1b[2J") == 1


def test_a_frame_is_written_at_once_and_shown_at_once(draw: Draw) -> None:
    terminal = draw(result())
    before = len(terminal.written)
    terminal.view.write(result(3.5))  # type: ignore[attr-defined]
    frame = terminal.written[before:]
    assert frame.startswith("\x1b[?2026h") and frame.endswith("\x1b[?2026l")
    assert "\x1b[2K" not in frame  # erasing a line before writing it would flicker


def test_without_colour_the_text_is_the_same(draw: Draw) -> None:
    coloured, plain = draw(*minutes()), draw(*minutes(), colour=False)
    assert coloured.shown == plain.shown
    assert re.search(r"\x1b\[[\d;]+m", coloured.written)
    assert not re.search(r"\x1b\[[\d;]*m", plain.written)


def test_a_terminal_without_unicode_gets_ascii(draw: Draw) -> None:
    terminal = draw(*minutes(), result(123.5), encoding="ascii")
    assert "#####" in terminal.line("  anger ")
    assert terminal.line("  last ").count(".") > 8


def test_a_name_cannot_move_the_cursor_or_break_the_width(draw: Draw) -> None:
    name = "evil\x1b[2J\x1b[31m" + "話筒" * 40
    terminal = draw(result(), session=dataclasses.replace(SESSION, source=name))
    assert "\x1b[31m" not in terminal.written
    assert "evil?[2J?[31m" in terminal.shown[1]
    assert len(terminal.shown[1]) <= 80 and terminal.shown[1].endswith("0:03.0")


def evening() -> list[Record]:
    """Five minutes with each emotion in turn, and an event for each."""
    found: list[Record] = []
    for index in range(150):
        label, time_s = LABELS[index // 5 % len(LABELS)], 3.0 + 2 * index
        found.append(result(time_s, label))
        if index % 5 == 4:
            found.append(Event("start", index, label, time_s - 8, None, 0.7))
            found.append(Event("end", index, label, time_s - 8, time_s, 0.9))
    return found


SIZES = quickly([(40, 12), (80, 24), (120, 40), (60, 15), (200, 50)], 2)


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_the_view_uses_the_window_that_it_has(columns: int, lines: int, draw: Draw) -> None:
    terminal = draw(*evening(), columns=columns, lines=lines)
    used = [index for index, line in enumerate(terminal.shown) if line]
    assert len(used) >= 0.75 * (lines - 1) and used[-1] >= lines - 3
    # The headline, with the time at its end, and the history use the full width.
    headline = next(line for line in terminal.shown if "BOREDOM  64 %" in line)
    assert len(headline) == columns - 1 and headline.endswith("5:01.0")
    assert all(any(f"  {label} " in line for line in terminal.shown) for label in LABELS)
    assert any("dBFS" in line for line in terminal.shown)
    assert any(line.endswith("boredom 8.0 s, peak 90 %") for line in terminal.shown)


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_the_history_reaches_the_right_edge_at_any_size(
    columns: int, lines: int, draw: Draw
) -> None:
    every_two_seconds = [result(3 + 2 * index, "fear") for index in range(100)]
    terminal = draw(*every_two_seconds, columns=columns, lines=lines)
    if columns < 100:
        strip = terminal.line("  last ")
        row = terminal.shown[terminal.shown.index(strip) + (lines > 12)]
        assert row.rstrip().endswith("f" * (columns // 2 - 5))
    else:
        rows = [line for line in terminal.shown if "█" * 50 in line]
        assert len(rows) >= 1 and all(columns - 10 < len(row) < columns for row in rows)
        axis = next(line for line in terminal.shown if line.endswith(" now"))
        assert "-1 min" in axis
        # A minute is 30 characters of two seconds.
        assert axis.index("now") + 2 - (axis.index("-1 min") + 3) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_a_recent_warning_is_shown_in_full(columns: int, lines: int, draw: Draw) -> None:
    advice = (
        "this machine cannot keep up: results are left out; a --hop longer than 0.496 s costs less"
    )
    warning = Notice("overload", advice, 123.0, "warning")
    terminal = draw(*minutes()[:-3], result(123), warning, columns=columns, lines=lines)
    text = " ".join(" ".join(line.split()) for line in terminal.shown)
    if columns < 100:
        assert f"warning: {advice}" in text
    for word in ("a", "--hop", "longer", "costs", "less"):
        assert word in text.split()
    assert "…" not in text.replace("USB Audio…", "")


def test_unsure_results_are_shaded_in_the_history(draw: Draw) -> None:
    sure, unsure = (
        draw(*(result(3 + 2 * i, "fear", sure=sure) for i in range(20)), columns=120, lines=40)
        for sure in (True, False)
    )
    assert any("█" * 20 in line for line in sure.shown)
    assert "░" not in "".join(sure.shown)
    assert any("░" * 20 in line for line in unsure.shown)


def test_an_event_is_one_line_and_its_end_replaces_its_start(draw: Draw) -> None:
    began = draw(result(4), START)
    assert began.line("   0:02.5").endswith("anger goes on, peak 70 %")
    ended = draw(result(4), START, LOST, result(8), END)
    assert ended.line("   0:02.5").endswith("anger 3.5 s, peak 90 %")
    assert not any("goes on" in line for line in ended.shown)


def test_the_log_is_in_the_order_of_time(draw: Draw) -> None:
    late = dataclasses.replace(LOST, time_s=3.0)
    terminal = draw(result(4), late, START, LOST)  # an event is found after its start
    times = [line.split()[0] for line in terminal.shown if re.match(r" +\d:\d\d\.\d  \w", line)]
    assert times == ["0:02.5", "0:03.0", "0:04.0"]


WIDE_LABELS = ("害怕", "生气", "高兴", "Überraschung", "ネガティブな感情が非常に強いとき", "غضب")


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_labels_of_any_script_keep_the_columns(columns: int, lines: int, draw: Draw) -> None:
    session = dataclasses.replace(SESSION, contract=CONTRACT.replace(labels=WIDE_LABELS))
    records = [
        result(3 + 2 * i, WIDE_LABELS[i // 9 % 6], scores=dict.fromkeys(WIDE_LABELS, 0.16))
        for i in range(100)
    ]
    terminal = draw(*records, columns=columns, lines=lines, session=session)
    # On a terminal, an empty cell follows a wide character.
    rows = [[cell.data for _, cell in sorted(row.items())] for row in cells(terminal)]
    marks = [row.index("┃") for row in rows if "┃" in row]
    assert len(marks) >= len(WIDE_LABELS) and len(set(marks)) == 1
    numbers = [row.index("%") for row in rows if "┃" in row and "%" in row]
    assert numbers.count(max(numbers)) >= len(WIDE_LABELS)


def cells(terminal: Terminal) -> list[dict[int, Any]]:
    """The characters of each line by their columns."""
    screen = terminal.screen
    return [
        {column: screen.buffer[line][column] for column in range(screen.columns)}
        for line in range(screen.lines)
    ]


def test_labels_without_a_letter_of_one_column_have_digits(draw: Draw) -> None:
    labels = ("害怕", "生气", "غضب", "joy")
    session = dataclasses.replace(SESSION, contract=CONTRACT.replace(labels=labels))
    terminal = draw(
        *(
            result(3 + 2 * i, label, scores=dict.fromkeys(labels, 0.25))
            for i, label in enumerate(labels)
        ),
        session=session,
        lines=12,
    )
    assert any(line.endswith(" 123j") for line in terminal.shown)


def test_a_letter_that_the_terminal_lacks_is_replaced(draw: Draw) -> None:
    session = dataclasses.replace(
        SESSION, contract=CONTRACT.replace(labels=("害怕", "joy")), source="話筒"
    )
    scores = {"害怕": 0.9, "joy": 0.1}
    terminal = draw(result(3, "害怕", scores=scores), session=session, encoding="ascii")
    assert "??  90 %" in terminal.shown[1]


def test_without_timing_the_computing_times_are_left_out(draw: Draw) -> None:
    assert not any(" ms" in line for line in draw(result(), timing=False).shown)


def test_at_the_end_the_cursor_is_visible_below_the_summary(draw: Draw) -> None:
    terminal = draw(*minutes())
    assert terminal.screen.cursor.hidden
    terminal.view.finish()  # type: ignore[attr-defined]
    terminal.view.close()  # type: ignore[attr-defined]
    assert not terminal.screen.cursor.hidden
    last = [line for line in terminal.shown if line][-1]
    assert last.startswith("  60 windows (12 no speech): anger leads in 8; mean ")
    assert len(last) <= 80


def on_a_terminal(**variables: str) -> str:
    """What `listen` writes to a terminal of 80 by 24."""
    main, other = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | variables
    environment |= {"COLUMNS": "80", "LINES": "24", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "sernet_edge", "listen", "--input", str(SAMPLE)]
    process = subprocess.Popen(command, stdout=other, stderr=subprocess.PIPE, env=environment)
    os.close(other)
    written = b""
    while select.select([main], [], [], 60)[0]:
        try:
            data = os.read(main, 65_536)
        except OSError:  # Linux's EIO: the other end is closed
            break
        written += data
    os.close(main)
    _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    return written.decode().replace("\r\n", "\n")


def test_listen_on_a_terminal_draws_the_view_and_the_summary() -> None:
    written = on_a_terminal()
    terminal = Terminal(80, 24)
    terminal.write(written)
    assert [terminal.line(f"  {label} ") for label in LABELS]
    assert "two_moods.wav" in terminal.shown[1]
    assert re.match(r"  20 windows.*: \w+ leads in \d", [x for x in terminal.shown if x][-1])
    assert written.count("\x1b[?25l") == 1 and written.rstrip().endswith("\x1b[?25h")


def test_no_color_turns_colours_off() -> None:
    assert re.search(r"\x1b\[[\d;]*m", on_a_terminal())
    assert not re.search(r"\x1b\[[\d;]*m", on_a_terminal(NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines() -> None:
    assert "\x1b" not in on_a_terminal(TERM="dumb")
