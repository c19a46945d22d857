"""JSON lines, CSV and plain lines: their content, and that they survive errors."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from output_cases import END, LABELS, LOST, START, Told, result
from support import Run

from sernet_edge.commands import cli
from sernet_edge.runtime.contract import NONE
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.outputs.csv_rows import CsvRows
from sernet_edge.runtime.outputs.fan_out import Outputs
from sernet_edge.runtime.outputs.json_lines import JsonLines
from sernet_edge.runtime.outputs.lines import Appended, Standard
from sernet_edge.runtime.outputs.plain_lines import NoticeLines, PlainLines
from sernet_edge.runtime.outputs.wording import percentages
from sernet_edge.runtime.records import Record

SAMPLE = Path(__file__).parents[2] / "docs" / "demo" / "two_moods.wav"


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def into_csv(path: Path, *records: Record, timing: bool = True) -> None:
    output = CsvRows(Appended(path, Told()), LABELS, timing)
    for record in records:
        output.write(record)
    output.finish()
    output.close()


def test_a_row_of_csv_has_the_fields_of_a_result_s_record(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    one = result(overflows=2, skipped=3, clipped=4)
    into_csv(tmp_path / "a.csv", one, result(3.5, None))
    first, second = csv_rows(tmp_path / "a.csv")
    record = one.record()
    assert {name: float(first[f"score_{name}"]) for name in LABELS} == record["scores"]
    for name in ("time_s", "speech", "level_dbfs", "drift", "feature_ms", "inference_ms"):
        assert float(first[name]) == record[name]
    assert (first["label"], first["sure"], first["padded"]) == ("anger", "1", "0")
    assert (first["overflows"], first["skipped"], first["clipped"]) == ("2", "3", "4")
    assert before <= datetime.fromisoformat(first["utc"]) <= datetime.now(UTC)
    assert (second["label"], second["drift"], second["score_anger"]) == ("", "", "")


def test_events_and_notices_make_no_rows(tmp_path: Path) -> None:
    into_csv(tmp_path / "a.csv", START, result(), LOST, END)
    assert len(csv_rows(tmp_path / "a.csv")) == 1


def test_csv_goes_on_after_a_restart_with_one_header(tmp_path: Path) -> None:
    for time_s in (3.0, 4.0, 5.0):
        into_csv(tmp_path / "a.csv", result(time_s))
    assert [row["time_s"] for row in csv_rows(tmp_path / "a.csv")] == ["3.0", "4.0", "5.0"]


@pytest.mark.parametrize("kept", [1, 40, 190, -1, -30])
def test_an_incomplete_row_after_a_power_cut_is_cut_off(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    into_csv(path, result(3.0))
    whole = path.read_bytes()
    into_csv(path, result(4.0))
    path.write_bytes(path.read_bytes()[: kept if kept > 0 else kept])
    into_csv(path, result(5.0))
    rows = csv_rows(path)
    assert rows[-1]["time_s"] == "5.0"
    assert all(None not in row and None not in row.values() for row in rows)
    if kept < 0:
        assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("content", ["my notes\n", "my notes", "time_s,label\n1,anger\n"])
def test_a_file_with_something_else_is_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text(content)
    with pytest.raises(SernetError, match="notes has other columns than this model's results"):
        CsvRows(Appended(path, Told()), LABELS)
    with pytest.raises(SernetError, match="notes holds something else than JSON lines"):
        JsonLines(Appended(path, Told()))
    assert path.read_text() == content


def test_results_of_another_model_need_another_file(tmp_path: Path) -> None:
    into_csv(tmp_path / "a.csv", result())
    with pytest.raises(SernetError, match="other columns"):
        CsvRows(Appended(tmp_path / "a.csv", Told()), ("angry", "calm"))


def test_a_line_of_json_has_the_time_of_its_writing(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    for timing in (True, False):
        output = JsonLines(Appended(tmp_path / "a.jsonl", Told()), timing)
        output.write(START)
        output.close()
    with_timing, without = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert before <= datetime.fromisoformat(with_timing.pop("utc")) <= datetime.now(UTC)
    assert with_timing == without == START.record()


def test_json_lines_go_on_after_a_restart_and_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for record in (START, LOST, result()):
        output = JsonLines(Appended(path, Told()), timing=False)
        output.write(record)
        output.write(record)
        output.close()
        path.write_bytes(path.read_bytes()[:-3])
    found = [json.loads(line) for line in path.read_text().splitlines()[:-1]]
    assert found == [record.record(timing=False) for record in (START, LOST, result())]


def test_a_full_disk_is_reported_once_and_rows_continue_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    lines = Appended(tmp_path / "a", told)
    lines.write("one")

    class Full(io.FileIO):
        """A file that is full after three bytes."""

        def write(self, data: bytes) -> int:  # type: ignore[override]
            if len(data) > 3:
                return super().write(data[:3])
            raise OSError(28, "No space left on device")

    good, lines._file = lines._file, Full(tmp_path / "a", "ab")
    lines.write("second")
    lines.write("thirds")
    lines._file.close()
    lines._file = good
    lines.write("fourth")
    lines.close()
    assert (tmp_path / "a").read_text() == "one\nfourth\n"
    assert told.codes == ["file-lost", "file-back"]
    assert "No space left on device" in told.texts[0]
    assert "missing: 2" in told.texts[1]


def test_dev_full_does_not_end_the_listening(in_process: Run) -> None:
    done = in_process("listen", "--input", SAMPLE, "--csv", "/dev/full")
    assert done.returncode == 0
    assert done.stdout.count("warning: cannot write /dev/full: No space left on device") == 1
    assert "windows: " in done.stdout


def test_json_can_be_written_to_a_named_pipe(in_process: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    done = in_process("listen", "--input", SAMPLE, "--json", tmp_path / "pipe", "--no-timing")
    reader.join()
    assert done.returncode == 0
    assert read[0] == in_process("listen", "--input", SAMPLE, "--json", "--no-timing").stdout


def test_the_same_results_go_to_several_outputs_at_once(in_process: Run, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "a.jsonl", "--csv", tmp_path / "a.csv")
    done = in_process("listen", "--input", SAMPLE, "--no-timing", *files)
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    times = [record["time_s"] for record in records if record["type"] == "result"]
    assert [float(row["time_s"]) for row in csv_rows(tmp_path / "a.csv")] == times
    lines = [line for line in done.stdout.splitlines() if "dBFS" in line]
    assert [float(line.split()[0]) for line in lines] == pytest.approx(times, abs=0.006)


def test_csv_on_standard_output_has_only_rows(in_process: Run) -> None:
    runs = [in_process("listen", "--input", SAMPLE, "--csv", "--no-timing") for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    rows = list(csv.reader(runs[0].stdout.splitlines()))
    assert len({len(row) for row in rows}) == 1
    assert rows[0][:2] == ["time_s", "label"]
    assert rows[0][-len(LABELS) - 1 :] == [f"score_{label}" for label in (*LABELS, NONE)]


def test_quiet_leaves_standard_output_empty(in_process: Run) -> None:
    done = in_process("listen", "--input", SAMPLE, "--quiet")
    assert (done.returncode, done.stdout) == (0, "")


def test_plain_lines_show_silence_unsure_results_events_and_notices() -> None:
    file = io.StringIO()
    output = PlainLines(Standard(file), timing=False)
    doubt, silence = result(4, sure=False, clipped=9), result(8, None)
    late = result(4.5, clipped=1, overflows=1, skipped=2)
    for record in (result(), result(3.5, None), doubt, late, START, silence, END, LOST):
        output.write(record)
    output.finish()
    assert file.getvalue().splitlines() == [
        "   3.00 s  anger 64 %  boredom 6 %  disgust 6 %  -24 dBFS",
        "   3.50 s  no speech  -24 dBFS",
        "   4.00 s  anger 64 %  boredom 6 %  disgust 6 %  unsure  -24 dBFS  9 samples clipped",
        "   4.50 s  anger 64 %  boredom 6 %  disgust 6 %  -24 dBFS  1 sample clipped"
        "  audio lost once so far  2 results skipped so far",
        "   4.50 s  event: anger began at 2.50 s",
        "   8.00 s  no speech  -24 dBFS",
        "   8.00 s  event: anger ended at 6.00 s after 3.5 s, peak 90 %",
        "   8.00 s  warning: the microphone is gone: plug it in again",
        "5 windows (2 no speech): anger leads in 3; mean anger 64 %, boredom 6 %",
    ]


def test_plain_lines_show_arousal_and_no_speech() -> None:
    file = io.StringIO()
    output = PlainLines(Standard(file), timing=False)
    noise = result(3.5, "none", scores={"anger": 0.1, "none": 0.9})
    for record in (result(arousal=0.834), noise):
        output.write(record)
    output.finish()
    assert file.getvalue().splitlines() == [
        "   3.00 s  anger 64 %  boredom 6 %  disgust 6 %  arousal 83 %  -24 dBFS",
        "   3.50 s  none 90 %  anger 10 %  -24 dBFS",
        "2 windows (1 no speech): anger leads in 1; mean anger 64 %, boredom 6 %",
    ]


def test_the_times_of_plain_lines_never_go_back(in_process: Run) -> None:
    lines = in_process("listen", "--input", SAMPLE, "--no-timing").stdout.splitlines()[:-1]
    times = [float(line.split(" s ")[0]) for line in lines]
    assert any("event: " in line for line in lines)
    assert times == sorted(times)


def test_percentages_add_up_and_are_close_to_their_shares() -> None:
    generator = np.random.default_rng(7)
    for _ in range(200):
        shares = generator.dirichlet(np.full(7, 0.3)) * 0.998  # as 8-bit scores add up
        whole = percentages({str(index): share for index, share in enumerate(shares)})
        assert sum(whole.values()) == 100
        exact = 100 * shares / shares.sum()
        assert np.abs(np.array(list(whole.values())) - exact).max() < 1
        order = np.argsort(-exact)
        assert sorted(whole.values(), reverse=True) == [whole[str(i)] for i in order]
    assert percentages({"a": 0.0, "b": 0.0}) == {"a": 0, "b": 0}
    assert percentages({}) == {}


def test_beside_an_output_for_programs_notices_are_printed_for_people() -> None:
    file = io.StringIO()
    output = NoticeLines(Standard(file))
    for record in (result(), START, LOST):
        output.write(record)
    assert file.getvalue() == "0:04.0  warning: the microphone is gone: plug it in again\n"


def test_a_notice_of_one_output_reaches_all_outputs_before_the_next_record() -> None:
    class Kept:
        def __init__(self) -> None:
            self.said: list[str] = []

        def write(self, record: Record) -> None:
            self.said.append(record.record()["type"])

        def finish(self) -> None:
            self.said.append("finished")

        def close(self) -> None:
            self.said.append("closed")

    outputs, kept = Outputs(), [Kept(), Kept()]
    for one in kept:
        outputs.add(one)
    outputs.write(result(3.0))
    thread = threading.Thread(target=outputs.tell, args=("broker-lost", "it is gone"))
    thread.start()
    thread.join()
    outputs.write(result(3.5))
    outputs.tell("file-lost", "no room")
    outputs.finish()
    outputs.close()
    said = ["result", "notice", "result", "notice", "finished", "closed"]
    assert [one.said for one in kept] == [said, said]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--csv", "none/a.csv"], "cannot write none/a.csv: No such file"),
        (["--json", "."], "cannot write .: Is a directory"),
        (["--csv", SAMPLE], "two_moods.wav has other columns"),
        (["--json", SAMPLE], "two_moods.wav holds something else"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    arguments: list[object], complaint: str, in_process: Run
) -> None:
    done = in_process("listen", "--input", SAMPLE, *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("sernet-edge: ")
    assert complaint in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--json", "--csv"], "cannot both write to the same place"),
        (["--mqtt-password", "x"], "goes with --mqtt"),
        (["--mqtt", "mqtt://host", "--mqtt-password", "x"], "goes with --mqtt"),
        (["--web-token", "0123456789abcdef"], "goes with --web"),
        (["--web", "--web-token", "short"], "at least 16"),
        (["--web", "--web-token", "a token with some spaces"], "no spaces"),
        (["--web", "70000"], "--web"),
        (["--web", "localhost:70000"], "--web"),
        (["--web", "localhost:http"], "--web"),
        (["--web", ":80"], "--web"),
        (["--web", ""], "--web"),
        (["--mqtt", "host"], "must begin with mqtt://"),
    ],
)
def test_wrong_usage_is_reported_and_exits_with_2(arguments: list[str], complaint: str) -> None:
    done = CliRunner().invoke(cli, ["listen", "--input", "-", *arguments])
    assert done.exit_code == 2
    assert complaint in done.output.splitlines()[-1]
