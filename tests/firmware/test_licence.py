"""Every file of an export names its licence, and the export has the licence of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bundle_cases import small_model
from support import Run, quickly

from sernet_edge.firmware_export.layout import LAYOUTS
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.new_contract import new_contract

ROOT = Path(__file__).parents[2]


def licences(folder: Path) -> dict[str, str]:
    """Return the licence that each file of an export names, by path; "" if it names none."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "LICENSE"):
        text = path.read_text()
        if path.suffix == ".json":
            found[str(path.relative_to(folder))] = json.loads(text)["license"]
            continue
        # The first line, as a comment of this kind of file.
        match = re.match(
            r"(?:/\* |// |# |<!-- )SPDX-License-Identifier: (\S+)(?: \*/| -->)?\n", text
        )
        found[str(path.relative_to(folder))] = match[1] if match else ""
    return found


@pytest.mark.parametrize("layout", quickly(LAYOUTS, 2))
def test_every_file_of_every_layout_names_its_licence(
    layout: str, in_process: Run, shipped_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = in_process("export", shipped_model, "--out", out, "--layout", layout)
    assert result.returncode == 0, result.stderr
    # The shipped model's card names the same licence.
    assert "published under Apache-2.0" in shipped_model.with_suffix(".md").read_text()
    found = licences(out)
    assert len(found) > 30
    assert set(found.values()) == {"Apache-2.0"}, found
    assert (out / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert "Apache License" in (out / "LICENSE").read_text()
    assert "## Licence" in (out / "README.md").read_text()


def test_a_model_without_a_licence_gets_the_placeholder(in_process: Run, tmp_path: Path) -> None:
    contract = new_contract(("calm", "tense"), "none", 64)
    model = tmp_path / "mine.tflite"
    model.write_bytes(small_model(contract))
    result = in_process("export", model, "--out", tmp_path / "out", "--name", "mine")
    assert result.returncode == 0, result.stderr
    found = licences(tmp_path / "out")
    models = {path for path, licence in found.items() if licence == "LicenseRef-Model"}
    assert models == {
        *("src/mine_model.c", "src/mine_model.h", "src/mine_contract.c", "src/mine_contract.h"),
        *("src/mine_identity.h", "src/mine_head_model.h"),
        *("examples/mine_golden.c", "examples/mine_golden_pcm.c"),
    }
    assert {licence for path, licence in found.items() if path not in models} == {"Apache-2.0"}
    assert "names no licence" in (tmp_path / "out" / "README.md").read_text()
    said = contract.replace(provenance={"licence": "CC-BY-NC-SA-4.0"})
    bare = ModelFile("mine.tflite", model.read_bytes())
    model.write_bytes(bare.with_contract(said).data)
    result = in_process("export", model, "--header", tmp_path / "mine.h")
    assert result.returncode == 0, result.stderr
    first = (tmp_path / "mine.h").read_text().splitlines()[0]
    assert first == "/* SPDX-License-Identifier: CC-BY-NC-SA-4.0 */"
