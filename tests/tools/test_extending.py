"""The examples in docs/guides/extending.md work as the guide says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_cases import tflm_outputs
from graphs import Graph
from output_cases import END, LOST, START, result

from sernet_edge.firmware_export import elementwise, layout, operators, reference
from sernet_edge.firmware_export.bundle import bundle_files
from sernet_edge.firmware_export.cores import CORES
from sernet_edge.firmware_export.measure import cross
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.outputs.fan_out import Outputs
from sernet_edge.train import corpora, models
from sernet_edge.train.corpora.choice import CorpusFolder

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "extending.md").read_text()


def example(heading: str, language: str = "python") -> str:
    """Return the code block below a heading of the guide."""
    section = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def run(heading: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(example(heading), heading, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _registers_as_before() -> Iterator[None]:
    """Undo an example's registrations after the test."""
    registers: list[dict[str, Any]] = [
        elementwise._TABLES,
        operators.READERS,
        corpora.CORPORA,
        models.ARCHITECTURES,
        layout._PLACES,
        CORES,
    ]
    before = [dict(register) for register in registers]
    yield
    for register, its in zip(registers, before, strict=True):
        register.clear()
        register.update(its)


def test_the_operator_gives_the_same_bits_as_tflm() -> None:
    run("An operator")
    every = np.arange(-128, 128).astype(np.int8)[None]
    rng = np.random.default_rng(0)
    for _ in range(10):
        graph = Graph()
        scale = float(np.float32(10 ** rng.uniform(-3, -0.5)))
        source = graph.input((1, 256), scale, int(rng.integers(-128, 128)))
        made = float(np.float32(scale * 2 ** rng.uniform(0, 2)))
        output = graph.tensor((1, 256), made, int(rng.integers(-128, 128)))
        data = graph.finish(graph.operator("ABS", [source], output))
        computed = reference.run(read_network(ModelFile("abs", data)), every[0])[None]
        np.testing.assert_array_equal(computed, tflm_outputs(data, every))


def test_the_corpus_lists_its_recordings(tmp_path: Path) -> None:
    run("A corpus")
    for name in ("f1/gio-f1-b1.wav", "m2/tri-m2-l4.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    utterances = CorpusFolder("emovo", tmp_path).utterances()
    assert {(u.label, u.speaker) for u in utterances} == {("happiness", "f1"), ("sadness", "m2")}
    # What tests/train/test_corpora.py asks of every corpus.
    emovo = corpora.CORPORA["emovo"]
    assert emovo.licence and emovo.citation and emovo.source.startswith("http")


@pytest.mark.slow
def test_train_builds_the_architecture_by_name() -> None:
    from sernet_edge.runtime.models import DEFAULT_MODEL

    run("An architecture")
    contract = ModelFile.read(DEFAULT_MODEL).require_contract()
    model = models.build("tiny-cnn", contract, 0.9)
    assert model.output_shape == (None, len(contract.labels))
    assert {"embedding", "scores"} <= {layer.name for layer in model.layers}


@pytest.mark.cores
def test_the_core_compiles_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("A core")
    if CORES["m23"].missing:
        pytest.skip(f"{' and '.join(CORES['m23'].missing)} not installed")
    script = cross.linker_script(CORES["m33"])
    monkeypatch.setattr(cross, "linker_script", lambda core: script)
    source, program = tmp_path / "main.c", tmp_path / "main.elf"
    source.write_text('#include "board.h"\nint main(void) { board_print("runs"); return 0; }\n')
    cross.build(CORES["m23"], [source], program)
    assert cross.run(CORES["m23"], program).stdout.split() == ["runs"]


def test_the_output_gets_every_record_and_keeps_the_events() -> None:
    log = run("An output")["EventLog"]()
    outputs = Outputs()
    outputs.add(log)
    for record in (result(3.0), START, LOST, END):
        outputs.write(record)
    outputs.finish()
    outputs.close()
    assert log.lines == ["2.5 s: anger"]


def test_the_layout_lists_every_source(
    shipped_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = bundle_files(PlannedModel.read(ModelFile.read(shipped_model)))
    run("A layout")
    templates = {
        "meson.build": example("A layout", "meson"),
        "README.md": "`meson setup build && meson compile -C build`\n",
    }
    monkeypatch.setattr(layout, "_templates", lambda name: templates)
    files = layout.arrange("meson", plain, "1.2.3")
    compiled = {path for path in files if path.startswith("src/") and path.endswith((".c", ".S"))}
    listed = set(re.findall(r"'(src/[^']+)'", files["meson.build"]))
    assert listed == compiled
    assert "version: '1.2.3'" in files["meson.build"]
