"""Several corpora read together: their names, speakers and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from heard_progress import HeardProgress
from support import write_wav

from sernet_edge.runtime.errors import SernetError, SettingError
from sernet_edge.train.corpora.choice import CorpusChoice, CorpusFolder, names_in
from sernet_edge.train.evaluation.seen_speakers import heard_voices, seen_speakers


def table(folder: Path, name: str, rows: str) -> CorpusFolder:
    """A user's own corpus, each row LABEL SPEAKER, with the same short sound."""
    folder.mkdir(exist_ok=True)
    sound = np.random.default_rng(len(name)).normal(0, 900, 1600).astype(np.int16)
    lines = ["path,label,speaker"]
    for number, row in enumerate(rows.split(",")):
        label, speaker = (row.split() + [""])[:2]
        write_wav(folder / f"{name}{number}.wav", sound)
        lines.append(f"{name}{number}.wav,{label},{speaker}")
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return CorpusFolder(f"csv:{name}", folder / f"{name}.csv")


def test_speakers_of_several_corpora_have_their_corpus_s_name(tmp_path: Path) -> None:
    one = table(tmp_path, "b", "joy 1,rage 1,rage 2")
    two = table(tmp_path, "a", "rage 1,fear 1")
    choice = CorpusChoice((one, two))
    assert choice.name == "csv:a+csv:b" and names_in(choice.name) == ["csv:a", "csv:b"]
    assert choice == CorpusChoice((two, one))
    utterances = choice.utterances()
    assert [u.speaker for u in utterances] == [
        "csv:a:1", "csv:a:1", "csv:b:1", "csv:b:1", "csv:b:2",
    ]  # fmt: skip
    assert [u.corpus for u in utterances] == ["csv:a"] * 2 + ["csv:b"] * 3
    assert choice.labels(utterances) == ("fear", "joy", "rage")
    # A single corpus keeps its names.
    alone = CorpusChoice((one,)).utterances()
    assert [(u.speaker, u.corpus) for u in alone] == [("1", ""), ("1", ""), ("2", "")]


def test_labels_are_mapped_then_filtered_and_left_out_recordings_are_reported(
    tmp_path: Path,
) -> None:
    corpus = table(tmp_path, "a", "rage 1,calm 1,neutral 1,joy 1,awe 1")
    choice = CorpusChoice((corpus,), ("neutral", "anger"), {"rage": "anger", "calm": "neutral"})
    progress = HeardProgress()
    utterances = choice.utterances(progress)
    assert [u.label for u in utterances] == ["anger", "neutral", "neutral"]
    assert choice.labels(utterances) == ("neutral", "anger")
    assert "left out by their label: 1 of awe, 1 of joy" in progress.remarks
    others = CorpusChoice((corpus,), mapping={"awe": ""}).wanted_and_others()[1]
    assert [u.label for u in others] == ["awe"]


def test_contradictions_are_refused(tmp_path: Path) -> None:
    one, two = table(tmp_path, "a", "joy 1,rage 1"), table(tmp_path, "b", "awe 1,fear 1")
    with pytest.raises(SernetError, match="csv:a has no label in common with the other corpora"):
        CorpusChoice((one, two)).utterances()
    with pytest.raises(SettingError, match="no recording is labelled bliss"):
        CorpusChoice((one,), ("joy", "bliss")).utterances()
    with pytest.raises(SettingError, match="no recording is labelled bliss"):
        CorpusChoice((one,), mapping={"bliss": "joy"}).utterances()
    with pytest.raises(SettingError, match="two different labels or more"):
        CorpusChoice((one,), ("joy",))
    merged = CorpusChoice((one,), mapping={"rage": "joy"})
    with pytest.raises(SernetError, match="every recording has the label 'joy'"):
        merged.labels(merged.utterances())
    half = CorpusChoice((one, two), mapping={"rage": "joy", "awe": "joy"})
    with pytest.raises(SernetError, match="every recording of csv:a is labelled joy"):
        half.check_teaches(half.utterances())
    emodb = CorpusFolder("emodb", tmp_path)
    with pytest.raises(SettingError, match="emodb and emodb are the same speakers"):
        CorpusChoice((emodb, emodb))
    with pytest.raises(SettingError, match="csv:ONE and csv:TWO"):
        CorpusChoice((CorpusFolder("csv", tmp_path), CorpusFolder("csv", tmp_path / "x")))
    parts = [CorpusFolder(f"iemocap-{kind}", tmp_path) for kind in ("impro", "script")]
    with pytest.raises(SettingError, match="are the same speakers"):
        CorpusChoice(tuple(parts))
    for name, message in (("emodb:x", "takes no further name"), ("csv:a+b", "letters, digits")):
        with pytest.raises(SettingError, match=message):
            CorpusFolder(name, tmp_path)


def test_the_seen_speakers_of_a_model_include_those_of_each_corpus() -> None:
    its = {"corpus": "emodb+ravdess", "holdout_speakers": ["emodb:16", "ravdess:01"]}
    assert seen_speakers(its, "emodb", ["15", "16"]) == ["15"]
    assert seen_speakers(its, "nemo", ["15"]) == []
    both = ["nemo:x", "ravdess:01", "ravdess:02"]
    assert seen_speakers(its, "nemo+ravdess", both) == ["ravdess:02"]
    # The initial model's speakers count, too.
    later = {"corpus": "nemo", "holdout_speakers": ["x"], "initial": its}
    assert seen_speakers(later, "nemo+ravdess", both) == ["ravdess:02"]
    assert seen_speakers(later, "nemo", ["x", "y"]) == ["y"]
    assert heard_voices(later) == {"emodb", "nemo", "ravdess"}
