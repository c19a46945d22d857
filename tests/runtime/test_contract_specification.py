"""docs/design/contract.md is complete: a reader written from the page agrees with the program."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from micro_contracts import MICRO_SPEECH, micro_contract

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.micro_settings import MicroSettings
from sernet_edge.runtime.modelfile import ModelFile

PAGE = (Path(__file__).parents[2] / "docs" / "design" / "contract.md").read_text()

ABSENT_IF_EMPTY = ("taught", "aroused_labels", "calm_labels", "micro_frontend")


def read(path: Path) -> dict[str, Any]:
    """Read a model's contract as the page says, without code of this project."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(set(names)) == len(names)
        flatbuffer = data[: min(info.header_offset for info in archive.infolist())]
        assert archive.read("flatbuffer.sha256").decode() == (
            hashlib.sha256(flatbuffer).hexdigest() + "\n"
        )
        document: dict[str, Any] = json.loads(archive.read("sernet.json"))
        assert archive.read("labels.txt").decode().splitlines() == document["labels"]
    settings = {
        name: value
        for name, value in document.items()
        if name not in ("format", "id", "provenance") and (value or name not in ABSENT_IF_EMPTY)
    }
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == document["id"]
    return document


def test_a_reader_written_from_the_page_reads_the_shipped_model(shipped_model: Path) -> None:
    document = read(shipped_model)
    contract = ModelFile.read(shipped_model).require_contract()
    assert document["id"] == contract.id
    assert document["mean"] == list(contract.mean)


def test_it_reads_a_contract_with_every_field(shipped_model: Path, tmp_path: Path) -> None:
    file = ModelFile.read(shipped_model)
    contract = file.require_contract().replace(
        labels=("anger", "Angst ü", "🙂", "none", "d", "e", "f"),
        taught="0123456789abcdef",
        aroused_labels=("anger",),
        calm_labels=("d",),
        preemphasis=0.97,
        lifter=22,
        first_feature="energy",
        mel_low_hz=80,
        clip=1e-5,
    )
    path = tmp_path / "odd.tflite"
    path.write_bytes(file.with_contract(contract).data)
    assert read(path)["labels"] == list(contract.labels)


def test_the_page_has_a_row_for_every_field_and_no_other() -> None:
    table = PAGE.partition("## Fields")[2].partition("## The id")[0]
    rows = re.findall(r"^\| (`.*?`) \| (?!---)", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {"format", "id", *(field.name for field in dataclasses.fields(Contract))}
    table = PAGE.partition("## The micro frontend")[2].partition("## From the model's")[0]
    rows = re.findall(r"^\| (`.*?`) \| (?!---)", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {field.name for field in dataclasses.fields(MicroSettings)}


def test_the_reader_reads_a_contract_of_the_micro_frontend(
    shipped_model: Path, tmp_path: Path
) -> None:
    contract = micro_contract(**MICRO_SPEECH)
    path = tmp_path / "micro.tflite"
    path.write_bytes(ModelFile.read(shipped_model).with_contract(contract).data)
    assert read(path)["micro_frontend"] == dataclasses.asdict(contract)["micro_frontend"]
