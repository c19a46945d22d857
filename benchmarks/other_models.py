"""Writes docs/evidence/other-models.md from the output of `sernet_edge.bench.others --json`.

python benchmarks/other_models.py benchmarks/other-models.json --out docs/evidence/other-models.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from page_command import run_page_command

from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.files import write_text

_MODELS = {
    "kws_ref": "MLPerf Tiny, keyword spotting (DS-CNN)",
    "ds_cnn_s": "Arm ML-zoo, DS-CNN-S",
    "streaming_wake_word": "MLPerf Tiny, streaming wake word",
    "micro_speech": "TensorFlow Lite Micro, micro_speech",
    "mltk_on_off": "mltk, keyword spotting on_off",
    "cnn_s": "Arm ML-zoo, CNN-S keyword spotting",
    "micro_kws_m": "micro-kws, medium",
    "vww": "MLPerf Tiny, visual wake words (MobileNet)",
    "person_detect": "TensorFlow Lite Micro, person_detect",
    "resnet8": "MLPerf Tiny, image classification (ResNet-8)",
    "toycar": "MLPerf Tiny, anomaly detection (ToyCar)",
    "mww_okay_nabu": "microWakeWord, okay_nabu",
    "mww_vad": "microWakeWord, voice activity",
}
"""Origins of the models, by file name, in the page's order."""

_CORES = {"m4": "Cortex-M4", "m55": "Cortex-M55"}

_PAGE = """\
# Other people's models

<!-- Made by python benchmarks/other_models.py {saved}; do not edit. -->

This page compares the native engine with TensorFlow Lite Micro and CMSIS-NN on public int8
networks. The versions are tflite-micro at commit 90b983c and CMSIS-NN at 4ab83cc, with the flags of
the saved runs in [benchmarks.md](benchmarks.md). The figures count one inference of the network
alone, under QEMU. RAM includes the stack. The ratio is our figure divided by TensorFlow Lite
Micro's: below 1, ours is smaller. The models are not part of this project. Measure your own files
with:

```sh
python -m sernet_edge.bench.others FOLDER --tflm-include ... --tflm-library FILE.a --json
```

{tables}
{summary}
"""


@click.command()
@click.argument("saved", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(saved: Path, out: Path) -> None:
    """Write the page of the rows in SAVED."""
    try:
        rows = {Path(row["model"]).stem: row for row in json.loads(saved.read_text())}
        ordered = [(name, rows[stem]) for stem, name in _MODELS.items()]
        tables = "\n".join(_table(core, ordered) for core in _CORES)
        summary = _summary(ordered)
    except (ValueError, KeyError, TypeError) as error:
        raise SernetError(f"{saved} lacks the figures of a model: {error}") from error
    write_text(out, _PAGE.format(saved=f"benchmarks/{saved.name}", tables=tables, summary=summary))


def _table(core: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
    lines = [
        f"## {_CORES[core]}",
        "",
        "| model | M instructions, ours | TensorFlow Lite Micro | ratio | RAM, B, ours "
        "| TensorFlow Lite Micro | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows:
        ours, theirs = row["cores"][core], row["tflm"][core]
        lines.append(
            f"| {name} | {ours['instructions'] / 1e6:.3f} | {theirs['instructions'] / 1e6:.3f} "
            f"| {_ratio(row, core, 'instructions'):.2f} | {ours['ram_bytes']:,} "
            f"| {theirs['ram_bytes']:,} | {_ratio(row, core, 'ram_bytes'):.2f} |"
        )
    return "\n".join(lines) + "\n"


def _summary(rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return which networks need more instructions, or more than half of the RAM."""
    lines = []
    for core, title in _CORES.items():
        slower = [name for name, row in rows if _ratio(row, core, "instructions") > 1]
        larger = [name for name, row in rows if _ratio(row, core, "ram_bytes") > 0.5]
        lines.append(
            f"{title}: slower than TensorFlow Lite Micro: {'; '.join(slower) or 'none'}. Needs "
            f"more than half of its RAM: {'; '.join(larger) or 'none'}."
        )
    return "\n\n".join(lines)


def _ratio(row: dict[str, Any], core: str, figure: str) -> float:
    return float(row["cores"][core][figure] / row["tflm"][core][figure])


if __name__ == "__main__":
    run_page_command(main)
