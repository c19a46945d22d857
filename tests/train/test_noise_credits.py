"""The noise that a model was trained with is credited, clip by clip."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sernet_edge.runtime.errors import SettingError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.train.noise import is_test_clip
from sernet_edge.train.noise_credits import noise_credits

_TABLE = "file,licence,source\n"


def _folder(tmp_path: Path, clips: list[str], table: str) -> Path:
    for clip in clips:
        (tmp_path / clip).parent.mkdir(exist_ok=True)
        (tmp_path / clip).touch()
    (tmp_path / "licences.csv").write_text(table)
    return tmp_path


def test_each_clip_of_the_training_is_listed_under_its_licence(tmp_path: Path) -> None:
    clips = [f"rain/{number}.wav" for number in range(40)]
    rows = [
        f"{clip},{'CC BY 4.0' if number % 2 else 'CC0'},archive/{Path(clip).name}"
        for number, clip in enumerate(clips)
    ]
    page = noise_credits(_folder(tmp_path, clips, _TABLE + "\n".join(rows)))
    _, named, free = re.split(r"^## CC.*$", page, flags=re.MULTILINE)
    heard = [number for number, clip in enumerate(clips) if not is_test_clip(clip)]
    assert 0 < len(heard) < len(clips)
    for text, parity in ((free, 0), (named, 1)):
        listed = re.search(r"^- archive: (.*)$", text, flags=re.MULTILINE)
        wanted = sorted(str(number) for number in heard if number % 2 == parity)
        assert listed and listed[1].split(", ") == wanted


def test_known_sources_have_their_publisher_and_licences_their_address(tmp_path: Path) -> None:
    table = _TABLE + "0.wav,CC BY 4.0,ESC-10/001 - Dog bark/0.wav\n"
    page = noise_credits(_folder(tmp_path, ["0.wav"], table))
    assert "ESC-10: by Karol J. Piczak, <https://github.com/karolpiczak/ESC-50>" in page
    assert "Blanket" not in page
    assert "\n## CC BY 4.0 https://creativecommons.org/licenses/by/4.0/\n" in page


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("file,licence\n0.wav,CC0\n", "licences.csv has no column source"),
        (_TABLE + "1.wav,CC0,there/1.wav\n", "licences.csv does not name 0.wav"),
    ],
)
def test_an_incomplete_table_is_refused(tmp_path: Path, table: str, complaint: str) -> None:
    assert not is_test_clip("0.wav")
    with pytest.raises(SettingError, match=complaint):
        noise_credits(_folder(tmp_path, ["0.wav"], table))


def test_a_folder_without_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="licences.csv is missing"):
        noise_credits(tmp_path)


@pytest.mark.parametrize("path", BOX.values(), ids=list(BOX))
def test_the_models_in_the_box_were_trained_with_as_many_clips_as_are_credited(path: Path) -> None:
    contract = ModelFile.read(path).require_contract()
    noise = contract.provenance.get("noise")
    assert (noise is not None) == (contract.none_index is not None)
    if noise:
        clips = f"{noise['clips']} clips"  # type: ignore[index]
        assert f"all {clips} are listed" in path.with_name("NOISE.md").read_text()
        assert f"{clips}, credited in [NOISE.md]" in path.with_suffix(".md").read_text()
