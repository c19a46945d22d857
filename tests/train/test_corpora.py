"""Small corpora in the real layouts; errors name what is missing."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import write_wav

from sernet_edge.runtime import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.train.corpora import CORPORA
from sernet_edge.train.corpora.choice import labels_of, shortfall
from sernet_edge.train.evaluation.protocols import folds
from sernet_edge.train.recordings import read_recordings

SILENCE = np.zeros(16_000, np.int16)


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, SILENCE)
    return path


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    """Two actors, with eight emotions and their intensities each, and a song."""
    for actor in ("01", "12"):
        for emotion in range(1, 9):
            for intensity in ("01",) if emotion == 1 else ("01", "02"):
                name = f"03-01-{emotion:02}-{intensity}-01-01-{actor}.wav"
                put(tmp_path / f"Actor_{actor}" / name)
        put(tmp_path / f"Actor_{actor}" / f"03-02-05-01-01-01-{actor}.wav")
    return tmp_path


def test_ravdess_speech_is_read_and_song_left_out(ravdess: Path) -> None:
    utterances = CORPORA["ravdess"].read(ravdess)
    assert Counter(u.label for u in utterances)["neutral"] == 2
    assert Counter(u.label for u in utterances)["anger"] == 4
    assert {u.speaker for u in utterances} == {"01", "12"}
    by_name = {u.path.name: u.label for u in utterances}
    # The example of the corpus's own description: fearful.
    assert by_name["03-01-06-01-01-01-12.wav"] == "fear"
    assert [fold.name for fold in folds("speakers", utterances, 1)] == ["01", "12"]


def test_all_of_ravdess_is_1440_utterances_and_missing_ones_are_reported(tmp_path: Path) -> None:
    for actor in range(1, 25):
        folder = tmp_path / f"Actor_{actor:02}"
        folder.mkdir()
        for emotion in range(1, 9):
            for intensity in (1,) if emotion == 1 else (1, 2):
                for statement in (1, 2):
                    for repetition in (1, 2):
                        numbers = (3, 1, emotion, intensity, statement, repetition, actor)
                        (folder / ("-".join(f"{n:02}" for n in numbers) + ".wav")).touch()
    corpus = CORPORA["ravdess"]
    utterances = corpus.read(tmp_path)
    assert len(utterances) == 1440
    assert shortfall(corpus, utterances) == ""
    rest = [u for u in utterances if u.speaker not in ("05", "24")]
    assert shortfall(corpus, rest) == (
        "1,320 utterances where the corpus has 1,440, none by 05, 24"
    )
    # One published archive contains everything twice.
    assert shortfall(corpus, utterances * 2) == "2,880 utterances where the corpus has 1,440"


def test_a_folder_that_is_not_ravdess_is_refused(ravdess: Path) -> None:
    put(ravdess / "Actor_01" / "03a01Fa.wav")
    with pytest.raises(SernetError, match=r"1 of 33 files.*03a01Fa\.wav"):
        CORPORA["ravdess"].read(ravdess)


EVALUATION = """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\t{dialogue}_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()

[10.0100 - 11.3925]\t{dialogue}_M000\texc\t[2.5000, 2.5000, 2.5000]
[12.0000 - 13.0000]\t{dialogue}_M001\thap\t[4.0, 3.0, 2.0]
[14.8872 - 18.0175]\t{dialogue}_F001\txxx\t[2.5000, 2.5000, 2.5000]
[19.2900 - 20.7875]\t{dialogue}_F002\tang\t[2.0, 3.5, 3.5]
"""


@pytest.fixture
def iemocap(tmp_path: Path) -> Path:
    """Two sessions, each with an improvisation and a script of five turns."""
    for session in (1, 2):
        for dialogue in (f"Ses0{session}F_impro01", f"Ses0{session}M_script02_1"):
            folder = tmp_path / f"Session{session}"
            evaluation = folder / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
            evaluation.parent.mkdir(parents=True, exist_ok=True)
            evaluation.write_text(EVALUATION.format(dialogue=dialogue))
            # Like the real release: files of each evaluator, and a Mac's hidden files.
            evaluator = evaluation.parent / "Categorical" / f"{dialogue}_e1_cat.txt"
            evaluator.parent.mkdir(exist_ok=True)
            evaluator.write_text(f"{dialogue}_F000 :Neutral state; ()\n")
            evaluation.with_name(f"._{evaluation.name}").write_bytes(b"\x00\x05\x16\x07")
            for turn in ("F000", "M000", "M001", "F001", "F002"):
                put(folder / "sentences" / "wav" / dialogue / f"{dialogue}_{turn}.wav")
    return tmp_path


def test_iemocap_has_four_classes_with_excitement_as_happiness(iemocap: Path) -> None:
    utterances = CORPORA["iemocap"].read(iemocap)
    assert Counter(u.label for u in utterances) == {"neutral": 4, "happiness": 8, "anger": 4}
    # The speaker of the turn, not the wearer of the markers.
    assert {u.speaker for u in utterances} == {"Ses01F", "Ses01M", "Ses02F", "Ses02M"}
    by_name = {u.path.stem: u.speaker for u in utterances}
    assert by_name["Ses01M_script02_1_F000"] == "Ses01F"


@pytest.mark.parametrize("kind", ["impro", "script"])
def test_iemocap_can_be_limited_to_one_kind(kind: str, iemocap: Path) -> None:
    utterances = CORPORA[f"iemocap-{kind}"].read(iemocap)
    assert len(utterances) == 8
    assert all(kind in u.path.name for u in utterances)


def test_missing_parts_of_iemocap_are_named(iemocap: Path, tmp_path: Path) -> None:
    utterances = CORPORA["iemocap"].read(iemocap)
    assert shortfall(CORPORA["iemocap"], utterances) == (
        "16 utterances where the corpus has 5,531, none by "
        "Ses03F, Ses03M, Ses04F, Ses04M, Ses05F, Ses05M"
    )
    with pytest.raises(SernetError, match="no folder Session1 to Session5"):
        CORPORA["iemocap"].read(iemocap / "Session1")
    gone = iemocap / "Session2/sentences/wav/Ses02F_impro01/Ses02F_impro01_M001.wav"
    gone.unlink()
    with pytest.raises(SernetError, match=r"Ses02F_impro01_M001, but .* is missing"):
        CORPORA["iemocap"].read(iemocap)


def test_a_folder_names_the_label_and_one_inside_it_the_speaker(tmp_path: Path) -> None:
    for name in ("happy/anna/1.wav", "happy/bert/2.wav", "sad/3.wav"):
        put(tmp_path / name)
    utterances = CORPORA["folder"].read(tmp_path)
    assert [(u.label, u.speaker) for u in utterances] == [
        ("happy", "anna"),
        ("happy", "bert"),
        ("sad", ""),
    ]
    assert labels_of(CORPORA["folder"], utterances) == ("happy", "sad")
    with pytest.raises(SernetError, match="does not name the speaker"):
        folds("speakers", utterances, 1)
    put(tmp_path / "lost.wav")
    with pytest.raises(
        SernetError, match=r"lost\.wav does not lie in a folder named after its label"
    ):
        CORPORA["folder"].read(tmp_path)


def table(folder: Path, text: str) -> Path:
    for name in ("a.wav", "b.wav"):
        put(folder / "audio" / name)
    path = folder / "corpus.csv"
    path.write_text(text)
    return path


def test_a_table_names_recordings_from_its_own_folder(tmp_path: Path) -> None:
    text = "speaker,path,label\nanna,audio/a.wav,happy\n,audio/b.wav,sad\n"
    utterances = CORPORA["csv"].read(table(tmp_path, text))
    assert [(u.path, u.label, u.speaker) for u in utterances] == [
        (tmp_path / "audio" / "a.wav", "happy", "anna"),
        (tmp_path / "audio" / "b.wav", "sad", ""),
    ]
    assert labels_of(CORPORA["csv"], utterances) == ("happy", "sad")
    with pytest.raises(SernetError, match="does not name the speaker"):
        folds("speakers", utterances, 1)


TWO = [("a.wav", "happy", "anna"), ("b.wav", "sad", "")]


@pytest.mark.parametrize(
    "data",
    [
        b"path,label,speaker\naudio/a.wav,happy,anna\naudio/b.wav,sad,\n",
        b"path, label , speaker\naudio/a.wav, happy, anna\naudio/b.wav ,sad\t, \n",
        b"path;label;speaker\r\naudio/a.wav;happy;anna\r\naudio/b.wav;sad;\r\n",
        b"path\tlabel\tspeaker\naudio/a.wav\thappy\tanna\naudio/b.wav\tsad\t\n",
        b"sep=|\npath|label|speaker\naudio/a.wav|happy|anna\naudio/b.wav|sad|",
        b"Path,Label,Speaker\raudio/a.wav,happy,anna\raudio/b.wav,sad,\r",
        b'"path", "label","speaker"\n"audio/a.wav", "happy","anna"\naudio/b.wav,"sad",""\n',
        b",,,\npath,label,speaker,\n\n,,,\naudio/a.wav,happy,anna,\n,\n;;;\naudio/b.wav,sad,,,,\n",
        b"path,label,speaker\naudio/a.wav,happy,anna\n./audio/a.wav,happy,anna\naudio/b.wav,sad,",
        b"path,label,speaker\naudio\\a.wav,happy,anna\naudio\\b.wav,sad,\n",
        *(
            "path;label;speaker\r\naudio/a.wav;happy;anna\r\naudio/b.wav;sad;\r\n".encode(encoding)
            for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
        ),
    ],
)
def test_a_table_with_a_single_meaning_is_read(data: bytes, tmp_path: Path) -> None:
    path = table(tmp_path, "")
    path.write_bytes(data)
    utterances = CORPORA["csv"].read(path)
    assert [(u.path.name, u.label, u.speaker) for u in utterances] == TWO


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column path and no column label"),
        ("path,emotion\na.wav,x\n", "line 1: no column label, only path, emotion"),
        ("audio/a.wav,happy\n", r"no column path and no column label, only audio/a\.wav, happy"),
        ("path,label,label\naudio/a.wav,x,y\n", "line 1: the column label appears twice"),
        ("path,label\n", "names no recording"),
        ("path,label\naudio/a.wav,\n", "line 2: the label is empty"),
        ("path,label\naudio/a.wav,x\naudio/b.wav, \u00a0 \n", "line 3: the label is empty"),
        ("path,label\n,x\n", "line 2: the path is empty"),
        ("path,label\naudio/a.wav,x\u200b\n", "line 2: the label .* unprintable"),
        ("path,label\naudio/a.wav,x\naudio/c.wav,x\n", r"line 3: .*c\.wav does not exist"),
        (f"path,label\n{'c' * 300}.wav,x\n", r"line 2: .*c\.wav does not exist"),
        ("path,label\naudio,x\n", "line 2: .*audio is not a file"),
        (
            "path,label,speaker\n\naudio/a.wav,anger,angry,03\n",
            "line 3: 4 values under 3 columns .*double quotes",
        ),
        ("path,label\naudio/a.wav,anger,angry\n", "line 2: 3 values under 2 columns"),
        ("path,label,\naudio/a.wav,anger,angry\n", "line 2: 'angry' is in a column without a name"),
        ("path,label,speaker\naudio/a.wav,anger\n", "line 2: 2 values under 3 columns"),
        ("path;label\naudio/a.wav,anger\n", "line 2: 1 value under 2 columns"),
        ('path,label\naudio/a.wav,"x\naudio/b.wav,y\n', "line 2: a quote .* does not close"),
        ('path,label\naudio/a.wav,"x\naudio/b.wav,y"\n', "line 2: a quote .* in its line"),
        ('path,label\naudio/a.wav,"x" y\n', "line 2: ',' expected after '\"'"),
        ("path,label\naudio/a.wav,x\0y\n", "line 2: a zero byte"),
        (
            "path,label,speaker\naudio/a.wav,anger,03\naudio/b.wav,fear,03\n./audio/a.wav,anger,08\n",
            r"line 4: \./audio/a\.wav is anger by 08, but anger by 03 in line 2",
        ),
        (
            "path,label\naudio/a.wav,anger\naudio/a.wav,fear\n",
            "line 3: .* is fear by an unknown speaker, but anger by an unknown speaker in line 2",
        ),
    ],
)
def test_the_error_about_a_table_names_the_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SernetError, match=message):
        CORPORA["csv"].read(table(tmp_path, text))


def test_a_table_in_an_old_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, "")
    path.write_bytes("path,label\naudio/a.wav,Ärger\n".encode("latin-1"))
    with pytest.raises(
        SernetError, match=r"line 2: not UTF-8: .* \(save the table as CSV in UTF-8"
    ):
        CORPORA["csv"].read(path)
    with pytest.raises(SernetError, match="cannot read the table .*: Is a directory"):
        CORPORA["csv"].read(tmp_path)


@pytest.mark.parametrize("label", ["بی\u200cطرف", "\U0001f469\u200d\U0001f680", "害怕", "उदास"])
def test_labels_of_any_script_are_accepted_with_their_joiners(label: str, tmp_path: Path) -> None:
    (tmp_path / label).mkdir()
    (tmp_path / label / "a.wav").touch()
    (tmp_path / "t.csv").write_text(f"path,label\n{label}/a.wav,{label}\n")
    for kind, path in (("folder", tmp_path), ("csv", tmp_path / "t.csv")):
        assert [utterance.label for utterance in CORPORA[kind].read(path)] == [label]


def test_a_label_is_the_same_however_unicode_spells_it(tmp_path: Path) -> None:
    # macOS decomposes characters in the names of folders.
    for folder, name in (("f\u00fcr", "a.wav"), ("fu\u0308r", "b.wav")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    lines = ["f\u00fcr/a.wav,f\u00fcr", "fu\u0308r/b.wav,fu\u0308r"]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *lines]))
    for kind, path in (("folder", tmp_path), ("csv", tmp_path / "t.csv")):
        assert {utterance.label for utterance in CORPORA[kind].read(path)} == {"f\u00fcr"}


def test_a_folder_whose_name_cannot_be_a_label_is_refused(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe4rger"))
    folder.mkdir()
    (folder / "a.wav").touch()
    with pytest.raises(SernetError, match="the label '.udce4rger' holds unprintable"):
        CORPORA["folder"].read(tmp_path)


def test_hidden_files_and_system_folders_are_skipped(tmp_path: Path) -> None:
    for name in (
        ".Trash-1000/files/old.wav",
        "__MACOSX/Angry/._a.wav",
        "$RECYCLE.BIN/x/a.wav",
        "Angry/.ipynb_checkpoints/a-checkpoint.wav",
        "Angry/._a.wav",
        "Angry/anna/__MACOSX/a.wav",
        "Angry/anna/a.wav",
        "Sad/bert/b.wav",
    ):
        put(tmp_path / ".hidden" / "corpus" / name)
    # The corpus itself may be in a hidden folder.
    utterances = CORPORA["folder"].read(tmp_path / ".hidden" / "corpus")
    assert [(u.label, u.speaker) for u in utterances] == [("Angry", "anna"), ("Sad", "bert")]
    put(tmp_path / "emodb" / "wav" / "03a01Wa.wav")
    put(tmp_path / "emodb" / "wav" / "._03a01Wa.wav")
    put(tmp_path / "emodb" / "__MACOSX" / "wav" / "._03a01Wa.wav")
    assert [u.path.name for u in CORPORA["emodb"].read(tmp_path / "emodb")] == ["03a01Wa.wav"]


def test_a_corpus_with_a_single_label_is_refused(tmp_path: Path) -> None:
    utterances = CORPORA["csv"].read(table(tmp_path, "path,label\naudio/a.wav,sad\n"))
    with pytest.raises(SernetError, match="has the label 'sad'"):
        labels_of(CORPORA["csv"], utterances)


@pytest.mark.parametrize("ending", ["flac", "ogg", "FLAC", "aiff", "mp3"])
def test_a_corpus_may_hold_any_kind_of_audio_file(ending: str, tmp_path: Path) -> None:
    kind = {"aiff": "AIFF", "mp3": "MP3"}.get(ending, ending.upper())
    tone = np.sin(np.arange(16_000) / 10)
    for label in ("happy", "sad"):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / f"a.{ending}", tone, 16_000, format=kind)
        (tmp_path / label / "notes.txt").write_text("no audio")
    utterances = CORPORA["folder"].read(tmp_path)
    assert [utterance.label for utterance in utterances] == ["happy", "sad"]
    for recording in read_recordings(utterances, Contract(("happy", "sad"), (0.0,), (1.0,))):
        assert len(recording.samples) == pytest.approx(16_000, abs=200)


NEMO_TABLE = """\
file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage
SM1_surprised_13.wav\tsurprised\tMleko jest \u017ar\xf3d\u0142em.\tmleko\t        SM1\tmale\t24
EB0_anger_1.wav\tanger\tTekst.\ttekst\t        EB0\tfemale\t27
EB0_fear_2.wav\tfear\tTekst.\ttekst\t        EB0\tfemale\t27
"""


def test_nemo_is_read_from_its_table_whatever_format_its_recordings_have(tmp_path: Path) -> None:
    (tmp_path / "data.tsv").write_text(NEMO_TABLE, encoding="utf-8")
    put(tmp_path / "samples" / "SM1_surprised_13.wav")
    soundfile.write(tmp_path / "samples" / "EB0_anger_1.flac", SILENCE, 16_000)
    utterances = CORPORA["nemo"].read(tmp_path)
    found = {(u.path.name, u.label, u.speaker) for u in utterances}
    assert found == {
        ("SM1_surprised_13.wav", "surprise", "SM1"),
        ("EB0_anger_1.flac", "anger", "EB0"),
    }
    assert shortfall(CORPORA["nemo"], utterances) == "2 utterances where the corpus has 4,481"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds no data.tsv"),
        (NEMO_TABLE.replace("emotion\t", "mood\t", 1), "has no column emotion"),
        (NEMO_TABLE.replace("\tfear\t", "\tawe\t"), "line 4: 'awe' is not an emotion of nEMO"),
        (NEMO_TABLE, "samples holds none of the recordings"),
    ],
)
def test_a_folder_that_is_not_nemo_is_refused(
    tmp_path: Path, table: str | None, message: str
) -> None:
    if table is not None:
        (tmp_path / "data.tsv").write_text(table, encoding="utf-8")
    with pytest.raises(SernetError, match=message):
        CORPORA["nemo"].read(tmp_path)


@pytest.mark.parametrize(
    ("corpus", "path", "label", "speaker"),
    [
        ("crema-d", "AudioWAV/1001_DFA_ANG_XX.wav", "anger", "1001"),
        ("crema-d", "AudioWAV/1091_WSI_SAD_HI.wav", "sadness", "1091"),
        ("crema-d", "AudioWAV/1040_ITH_SAD_X.wav", "sadness", "1040"),
        ("tess", "OAF_Fear/OAF_back_fear.wav", "fear", "OAF"),
        ("tess", "YAF_pleasant_surprised/YAF_bite_ps.wav", "surprise", "YAF"),
        ("tess", "OAF_neutral/OA_bite_neutral.wav", "neutral", "OAF"),
        ("savee", "AudioData/DC/sa01.wav", "sadness", "DC"),
        ("savee", "AudioData/KL/a15.wav", "anger", "KL"),
        ("savee", "ALL/JK_su03.wav", "surprise", "JK"),
    ],
)
def test_a_name_tells_emotion_and_speaker(
    tmp_path: Path, corpus: str, path: str, label: str, speaker: str
) -> None:
    put(tmp_path / path)
    (utterance,) = CORPORA[corpus].read(tmp_path)
    assert (utterance.label, utterance.speaker) == (label, speaker)
    assert utterance.label in CORPORA[corpus].labels


@pytest.mark.parametrize(
    ("corpus", "path", "message"),
    [
        ("crema-d", "03a01Fa.wav", "named as CREMA-D's are"),
        ("tess", "OAF_back_bored.wav", "named as TESS's are"),
        ("savee", "x01.wav", "named as SAVEE's are"),
        ("savee", "XX/sa01.wav", "the folder XX is not a speaker of SAVEE"),
    ],
)
def test_other_names_are_refused(tmp_path: Path, corpus: str, path: str, message: str) -> None:
    put(tmp_path / path)
    with pytest.raises(SernetError, match=message):
        CORPORA[corpus].read(tmp_path)


MELD_TABLE = """\
Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,"You know, I was.",Chandler,{emotion},neutral,0,0,8,21,"00:16:16,059","00:16:21,731"
2,It\x92s mine.,The Interviewer,joy,positive,0,1,8,21,"00:16:21,940","00:16:23,442"
"""


def test_meld_utterances_with_extracted_sound_are_read_from_the_tables(tmp_path: Path) -> None:
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):
        table = MELD_TABLE.format(emotion="anger")
        (tmp_path / name).write_text(table, encoding="cp1252", errors="replace")
    put(tmp_path / "train_splits" / "dia0_utt0.wav")
    put(tmp_path / "train_splits" / "dia0_utt1.wav")
    put(tmp_path / "dev_splits_complete" / "dia0_utt0.wav")
    (tmp_path / "dev_splits_complete" / "dia0_utt1.mp4").touch()
    found = [(u.path.parent.name, u.label, u.speaker) for u in CORPORA["meld"].read(tmp_path)]
    assert found == [
        ("train_splits", "anger", "Chandler"),
        ("train_splits", "happiness", "The Interviewer"),
        ("dev_splits_complete", "anger", "Chandler"),
    ]


def test_meld_without_sound_or_tables_is_refused_with_the_command_that_extracts_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(SernetError, match="holds none of train_sent_emo.csv"):
        CORPORA["meld"].read(tmp_path)
    (tmp_path / "train_sent_emo.csv").write_text(MELD_TABLE.format(emotion="anger"), "latin-1")
    with pytest.raises(SernetError, match="no sound of the utterances.*ffmpeg"):
        CORPORA["meld"].read(tmp_path)
    put(tmp_path / "train_splits" / "dia0_utt0.wav")
    (tmp_path / "train_sent_emo.csv").write_text(MELD_TABLE.format(emotion="rage"), "latin-1")
    with pytest.raises(SernetError, match="line 2: 'rage' is not an emotion of MELD"):
        CORPORA["meld"].read(tmp_path)


def test_every_published_corpus_has_a_licence_a_citation_and_an_address() -> None:
    for name, corpus in CORPORA.items():
        assert corpus.licence and corpus.citation, name
        assert (corpus.published > 0) == bool(corpus.labels), name
        assert (corpus.published > 0) == corpus.source.startswith("http"), name
        assert len(set(corpus.labels)) == len(corpus.labels), name


def test_the_guide_names_every_corpus() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "corpora.md").read_text()
    assert [name for name in CORPORA if f"`{name}`" not in guide] == []
