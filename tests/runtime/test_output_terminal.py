"""The live view, as a terminal shows it."""

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

import pyte
import pytest
from output_cases import CONTRACT, END, LABELS, LOST, SESSION, START, result

from sernet_edge.runtime.outputs.session import Session
from sernet_edge.runtime.outputs.terminal import LiveView
from sernet_edge.runtime.records import Record


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
    """Draw records on a new terminal, or go on with an earlier one."""

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
        monkeypatch.setattr("shutil.get_terminal_size", lambda: terminal.size)
        terminal.view = LiveView(terminal, session, timing, colour)  # type: ignore[attr-defined]
        for record in records:
            terminal.view.write(record)  # type: ignore[attr-defined]
        return terminal

    return drawn


def minutes() -> list[Record]:
    """Two minutes in which each emotion has its turn, with silence in between."""
    found: list[Record] = []
    for index in range(60):
        label = LABELS[index // 5 % len(LABELS)] if index % 5 < 4 else None
        found.append(result(3 + 2 * index, label))
    return [*found, START, END, LOST]


def test_everything_fits_80_by_24_beside_what_was_there_before(draw: Draw) -> None:
    terminal = draw(*minutes())
    used = [line for line in terminal.shown if line]
    assert len(terminal.shown) - terminal.shown[::-1].index(used[-1]) <= 23
    assert max(map(len, terminal.shown)) < 80
    for label in LABELS:
        assert terminal.line(f"  {label} ")
    assert "device is gone" not in terminal.shown  # but in full:
    assert any("warning: the microphone is gone: plug it in again" in line for line in used)
    assert any("anger ended after 3.5 s" in line for line in used)
    assert any("features 1.5 ms, model 8.5 ms" in line for line in used)


def test_each_result_is_drawn_over_the_one_before(draw: Draw) -> None:
    terminal = draw()
    terminal.write("model  x\naudio  y\n")
    for record in minutes()[:-1]:  # without the loss of the device
        terminal.view.write(record)  # type: ignore[attr-defined]
        assert sum(line.startswith("  anger ") for line in terminal.shown) == 1
    assert terminal.written.count("\x1b[2J") == 0
    assert terminal.written.count("\x1b[?25l") == 1


def test_the_leading_emotion_silence_and_doubt_are_told_in_words(draw: Draw) -> None:
    assert "ANGER  64%" in draw(result()).shown[1]
    assert "NO SPEECH" in draw(result(label=None)).shown[1]
    assert "UNSURE  anger 64%" in draw(result(sure=False)).shown[1]


def test_the_history_has_a_letter_for_every_two_seconds(draw: Draw) -> None:
    terminal = draw(*minutes())
    heights = terminal.line("  last ")
    letters = terminal.shown[terminal.shown.index(heights) + 1]
    strip = letters[14:73]
    assert strip in "aaaa·bbbb·dddd·ffff·hhhh·ssss·nnnn·" * 3
    for height, letter in zip(heights[14:73], strip, strict=False):
        assert height == ("▆" if letter.isalpha() else " ")  # 0.64 of eight eighths


def test_a_gap_in_the_sound_is_a_gap_in_the_history(draw: Draw) -> None:
    terminal = draw(result(3), result(9.0, "sadness"))
    assert "a  s" in terminal.shown[terminal.shown.index(terminal.line("  last ")) + 1]


def test_labels_that_begin_alike_have_letters_of_their_own(draw: Draw) -> None:
    labels = ("sad", "surprised", "sleepy", "angry", "afraid")
    contract = CONTRACT.replace(labels=labels)
    scores = dict.fromkeys(labels, 0.2)
    session = dataclasses.replace(SESSION, contract=contract)
    terminal = draw(result(3, "surprised", scores=scores), session=session)
    assert [terminal.line(f"  {name} ") for name in ("sad", "sUrprised", "sLeepy", "aFraid")]
    assert any(line.endswith(" U") for line in terminal.shown)


def test_the_bars_are_as_long_as_the_scores(draw: Draw) -> None:
    terminal = draw(result())
    bars = {label: terminal.line(f"  {label} ")[14:].split()[0] for label in LABELS}
    full = 80 - 1 - 10 - 10
    assert len(bars["anger"]) == pytest.approx(0.64 * full, abs=1)
    assert len(bars["fear"]) == pytest.approx(0.06 * full, abs=1)


def test_clipping_is_told_for_some_seconds(draw: Draw) -> None:
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
        assert sum("SADNESS  64%" in line for line in terminal.shown) == 1
    terminal.screen.resize(24, 80)
    terminal.view.write(result(127, "fear"))  # type: ignore[attr-defined]
    assert "FEAR  64%" in terminal.shown[1]
    assert [terminal.line(f"  {label} ") for label in LABELS]


def test_what_portaudio_prints_when_a_device_goes_does_not_stay(draw: Draw) -> None:
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
    assert "\x1b[2K" not in frame  # a line that is blanked before it is written flickers


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


def test_without_timing_the_computing_times_are_left_out(draw: Draw) -> None:
    assert not any(" ms" in line for line in draw(result(), timing=False).shown)


def test_in_the_end_the_cursor_is_there_again_below_the_summary(draw: Draw) -> None:
    terminal = draw(*minutes())
    assert terminal.screen.cursor.hidden
    terminal.view.finish()  # type: ignore[attr-defined]
    terminal.view.close()  # type: ignore[attr-defined]
    assert not terminal.screen.cursor.hidden
    last = [line for line in terminal.shown if line][-1]
    assert last.startswith("  60 windows (12 no speech): anger leads in 8; ")
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
        except OSError:  # Linux says EIO where the other end is closed
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


def test_no_color_is_honoured() -> None:
    assert re.search(r"\x1b\[[\d;]*m", on_a_terminal())
    assert not re.search(r"\x1b\[[\d;]*m", on_a_terminal(NO_COLOR="1"))


def test_a_dumb_terminal_gets_plain_lines() -> None:
    assert "\x1b" not in on_a_terminal(TERM="dumb")
