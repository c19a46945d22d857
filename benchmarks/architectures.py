"""Writes docs/evidence/architectures.md: each architecture, its size and its cost.

    python benchmarks/architectures.py --out docs/evidence/architectures.md

The models have random weights, since cost does not depend on the values of weights.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from page_command import run_page_command

from sernet_edge.firmware_export import tflm
from sernet_edge.firmware_export.graph import read_graph
from sernet_edge.firmware_export.plan import plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.contract import Contract, Features
from sernet_edge.runtime.files import write_text
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.models import ARCHITECTURES, DEFAULT_ARCHITECTURE, build_for_measuring
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.tensorflow_setup import quietly

_LABELS = ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")
_LONG_WINDOW_FRAMES = 434

# Number of windows of noise that set the ranges and are then run.
_WINDOWS = 4

_HEAD = """\
# Architectures

<!-- Made by python benchmarks/architectures.py; do not edit. -->

`--architecture NAME` of `sernet-edge train` and `cross-validate` chooses one. The contract's
provenance and `run.json` record the choice, its losses and the model that training started from.

The table is for seven labels, int8 and random weights: size and cost do not depend on the weights.
A frame is 16 ms, so 184 frames are 3 s and 434 are 7 s. MACs are the multiply-accumulates of one
window, including those with padding. Flash is the `.tflite` without its contract. The arena of
TensorFlow Lite Micro (TFLM) is measured in its interpreter on a PC. The native engine's RAM is its
planned rings and working memory, without stack. PC - TFLM is the largest difference of a score
between the interpreter of `listen` and TFLM, in steps of 1/256, over {windows} windows of noise.

| architecture | input | parameters | MACs | flash | TFLM arena | native engine | PC - TFLM |
|---|---|---|---|---|---|---|---|
"""

_TAIL = """
[results.md](results.md) has the accuracy of the cross-validated architectures.

## LIGHT-SERNET and its relatives

`light-sernet` has the layers of its authors' code. The variants are ours:

- `-half` and `-quarter` have this share of the channels in every convolution.
- `-ds` replaces each of the four 3 x 3 convolutions after the paths with a depthwise one and a
  1 x 1 one that mixes channels, like MobileNet.
- `-1path` keeps only the 3 x 3 path at the input.
- `-stream` is for windows that share rows.

All run in the native engine. All accept `--features mfcc`, `mel` or `spectrogram`, and all but
`-stream` any `--window-frames`.

The `-stream` variants do not pad in time and do not subtract a window's level. A row of a feature
map therefore depends only on its own frames. Windows that start a multiple of 32 frames (0.512 s)
apart share their rows; only the mean over time differs. The kernels of the paths differ in height,
so the paths are aligned on their newest rows. A window has 102 frames plus any multiple of 32. The
hop is a multiple or a divisor of 32. Training changes the gain by up to 15 dB in both directions.
[engine.md](../design/engine.md#streams) says how much work shared rows save.

## attention-fcn

This follows Zhang et al. 2018, [arXiv 1806.01506](https://arxiv.org/abs/1806.01506). The paper's
abstract describes a fully convolutional network for speech of any length, with attention to
time-frequency regions of a spectrogram. Its training starts from a network for images.

Some parts come from other reports about the paper, and its abstract does not confirm them: the
convolutions in AlexNet's style, and the attention. The attention computes e = u . tanh(W a + b) at
each of the T x F positions, a softmax of 0.3 e over all of them, and their weighted sum.

Other parts are our choice: AlexNet's kernels, strides and channels without its groups; "same"
padding; batch normalisation, because local response normalisation has no int8 form; an attention as
wide as the channels; dropout 0.3; the contract's spectrogram; and training on windows of one
length. `attention-fcn-small` is for microcontrollers: it has a quarter of the channels in every
layer.

The Keras model accepts any number of frames; conversion fixes the number to the contract's window.
The softmax over all positions has two steps: over the frequencies of each time, and then over the
times by their log-sum-exp. This is the same function. One softmax over many positions would not
work in int8: its steps are 1/256, so most weights would be only one or two steps.

The native engine keeps a few rows of each map, and the weighted sum of each time. It needs nothing
else at once for the softmax over the times. Its output has the same bits as TensorFlow Lite's
reference kernels (tested). The optimised LOG_SOFTMAX on a PC can round differently; the table's
last column shows the measured difference.

## multitask-cnn

This is similar to Tripathi et al. 2019, [arXiv 1906.08873](https://arxiv.org/abs/1906.08873): it
uses softmax and center loss together, and as a regulariser a decoder that reconstructs the input
features from the embedding. The paper's layers were not available to us, so the layers are our own
and this is not a reproduction. Centers and decoder exist only in training, not in the saved model.

This architecture has default weights for the two losses. `--center-loss` and `--reconstruction`
change them, and add these losses to any other architecture. The center loss is from Wen et al.
(ECCV 2016): half the squared distance between a window's embedding and its label's center, averaged
over the batch. A center moves towards the embeddings of its label, by 0.5 times the sum of the
differences divided by (1 + their number). The loss of the reconstruction is the mean squared error
of the standardised features.

## Starting from another model

`--init MODEL.keras` starts from another model's weights. It copies each layer that has the same
name and shapes in both models; it copies the last layer only if the labels are equal, too. You can
therefore start from a model for another corpus, other labels, another window length or a related
architecture. `train` prints which layers it copied.

`cross-validate` refuses a model that was trained on a test speaker, or that started from such a
model. `evaluate` and the model card count these speakers as training speakers, too. All of them
identify speakers by the corpus's name. The parts of IEMOCAP count as one corpus, but a `csv` or
`folder` corpus with EMO-DB's recordings does not count as EMO-DB.

The attention paper started from AlexNet's ImageNet weights. This project does not include them; you
can use any model of your own instead.
"""


@dataclass(frozen=True)
class Cost:
    """Cost of an architecture for one window.

    Attributes:
        name: Its name in `ARCHITECTURES`.
        contract: The contract of its input.
        parameters: Parameters of the Keras model.
        macs: Multiply-accumulates.
        flash_bytes: Size of the flatbuffer.
        tflm_bytes: TFLM's arena.
        engine_bytes: The native engine's working memory.
        difference: Largest difference of a score between PC and TFLM, in steps.
    """

    name: str
    contract: Contract
    parameters: int
    macs: int
    flash_bytes: int
    tflm_bytes: int
    engine_bytes: int
    difference: int


def measure(name: str, features: Features, window_frames: int) -> Cost:
    """Build, convert and run an architecture with random weights.

    Args:
        name: Its name in `ARCHITECTURES`.
        features: See `Contract.features`.
        window_frames: See `Contract.window_frames`.

    Raises:
        SernetError: The package tflite-micro is missing, or the native engine lacks an operator.
    """
    with quietly():
        from sernet_edge.convert.quantize import convert_model

    own = ARCHITECTURES[name]
    contract = new_contract(_LABELS, own.level, window_frames, features, **own.rows)
    # The statistics are those of the noise below, to complete the contract.
    count = contract.feature_count
    contract = contract.replace(mean=(0.0,) * count, std=(1.0,) * count)
    model = build_for_measuring(name, contract, seed=1)
    noise = np.random.default_rng(1).normal(size=(_WINDOWS, window_frames, count))
    windows = noise.clip(-contract.clip, contract.clip).astype(np.float32)
    file = ModelFile(name, convert_model(model, "int8", windows)).with_contract(contract)
    on_pc = Model(file)
    inputs = np.stack([on_pc.quantise(window) for window in windows])
    on_tflm = tflm.run(file, inputs.reshape(_WINDOWS, -1))
    outputs = np.stack([on_pc.run_int8(window) for window in inputs]).astype(int)
    return Cost(
        name,
        contract,
        model.count_params(),
        sum(operator.macs or 0 for operator in read_graph(file).operators),
        len(file.flatbuffer),
        on_tflm.arena_bytes,
        plan_network(read_network(file)).arena_bytes,
        int(np.abs(outputs - on_tflm.outputs).max()),
    )


def page(costs: list[Cost]) -> str:
    """Return docs/evidence/architectures.md."""
    rows = []
    for cost in costs:
        contract = cost.contract
        cells = (
            cost.name,
            f"{contract.window_frames} x {contract.feature_count} {contract.features}",
            f"{cost.parameters:,}",
            f"{cost.macs / 1e6:,.1f} M",
            f"{cost.flash_bytes:,} B",
            f"{cost.tflm_bytes:,} B",
            f"{cost.engine_bytes:,} B",
            str(cost.difference),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return _HEAD.format(windows=_WINDOWS) + "\n".join(rows) + "\n" + _TAIL


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Markdown to write.")
def main(out: Path) -> None:
    """Measure every architecture; LIGHT-SERNET also with every kind of features and with 7 s."""
    short = Contract.window_frames
    wanted: list[tuple[str, Features, int]] = [
        (name, own.features, own.window_frames) for name, own in ARCHITECTURES.items()
    ]
    wanted[1:1] = [
        (DEFAULT_ARCHITECTURE, "mel", short),
        (DEFAULT_ARCHITECTURE, "spectrogram", short),
        (DEFAULT_ARCHITECTURE, "mfcc", _LONG_WINDOW_FRAMES),
    ]
    with click.progressbar(
        wanted, label="measuring", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        costs = [measure(*what) for what in bar]
    write_text(out, page(costs))


if __name__ == "__main__":
    run_page_command(main)
