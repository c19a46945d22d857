"""The models in the box: each has a card, and commands take its name."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from support import Run, write_wav

from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.models import BOX
from sernet_edge.runtime.options import MODEL_PATH
from sernet_edge.runtime.trust import card_of, licence, trust


@click.command()
@click.argument("model", type=MODEL_PATH)
def where(model: Path) -> None:
    click.echo(model)


def path_of(name: str) -> Path:
    return Path(CliRunner().invoke(where, [name]).output.strip())


@pytest.mark.parametrize("name", BOX)
def test_each_model_has_a_contract_a_card_a_licence_and_a_trust_line(name: str) -> None:
    contract = ModelFile.read(BOX[name]).require_contract()
    assert card_of(BOX[name])
    assert licence(contract)
    assert "right" in trust(contract)


def test_the_page_of_licences_names_each_model_its_licence_and_its_corpora() -> None:
    page = BOX["voices"].with_name("LICENSES.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name, path in BOX.items():
        (row,) = [row for row in rows if f"`{path.name}`" in row]
        said = licence(ModelFile.read(BOX[name]).require_contract())
        assert f"[{said}](" in row
        assert ("not for commercial use" in row) == ("-NC-" in said)
    for address in ("http://emodb.bilderbar.info", "huggingface.co/datasets/amu-cai/nEMO",
                    "zenodo.org/records/1188976", "licenses/by-nc-sa/4.0/"):  # fmt: skip
        assert address in page


@pytest.mark.parametrize("name", BOX)
def test_a_name_is_a_model_in_the_box_unless_a_file_has_that_name(name: str) -> None:
    assert path_of(name) == BOX[name]
    Path(name).write_bytes(b"mine")
    assert path_of(name) == Path(name)


@pytest.mark.parametrize(
    ("name", "guess"),
    [("emod", " Did you mean emodb?"), ("voice", " Did you mean voices?"), ("x", "")],
)
def test_a_bare_name_without_a_file_is_refused_with_the_shipped_names(
    name: str, guess: str, in_process: Run
) -> None:
    done = in_process("listen", "--model", name, "--input", "a.wav")
    assert done.returncode == 2
    assert (
        f"there is no file '{name}', and no shipped model has this name "
        f"(they are voices, voices-full, emodb, emodb-half).{guess}\n" in done.stderr
    )


def test_any_other_path_is_unchanged() -> None:
    assert path_of("other.tflite") == Path("other.tflite")


def test_listen_accepts_the_name_voices_and_prints_its_trust_line(
    in_process: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERNET_EDGE_LISTEN_MODEL")
    write_wav(Path("silence.wav"), np.zeros(80_000, np.int16))
    result = in_process("listen", "--input", "silence.wav", "--json")
    assert result.returncode == 0, result.stderr
    contract = ModelFile.read(BOX["voices"]).require_contract()
    assert f"voices.tflite, contract {contract.id}" in result.stderr
    assert trust(contract) in result.stderr and "licence CC-BY-NC-SA-4.0" in result.stderr
    labels = [json.loads(line)["label"] for line in result.stdout.splitlines()]
    assert set(labels[:-1]) == {"none"}
