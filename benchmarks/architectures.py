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

`--architecture NAME` of `sernet-edge train` and `cross-validate` chooses one. What is chosen, its
losses and what it started from are in the contract's provenance and in `run.json`.

Seven labels; int8 throughout; random weights, since size and cost do not depend on what a model
learnt. A frame is 16 ms: 184 of them are 3 s, 434 are 7 s. MACs are the multiply-accumulates of
one window, those with padding included. Flash is the `.tflite` without its contract. The arena of
TensorFlow Lite Micro (TFLM) is measured in its interpreter on a PC; the native engine's RAM is
its rings and working memory as planned, without stack. PC - TFLM is the largest difference of a
score, in steps of 1/256, between the interpreter that `listen` uses and TFLM, over {windows}
windows of noise.

| architecture | input | parameters | MACs | flash | TFLM arena | native engine | PC - TFLM |
|---|---|---|---|---|---|---|---|
"""

_TAIL = """
How well those hear that were cross-validated is in [results.md](results.md).

## LIGHT-SERNET and its relatives

`light-sernet` has the layers of its authors' code. The relatives are ours: `-half` and `-quarter`
have that share of the channels in every convolution, `-ds` splits the four 3 x 3 convolutions after
the paths into one for each channel and a 1 x 1 that mixes channels (MobileNet's
depthwise-separable ones), `-1path` keeps the 3 x 3 path at the input and leaves out the two
others. All run in the native engine. Any of them takes `--features mfcc`, `mel` or `spectrogram`
and, but for `-stream`, any `--window-frames`.

`-stream` and its relatives pad nothing in time and take no level out of a window. So a row of a
feature map depends on its own frames alone, and windows that start a multiple of 32 frames
(0.512 s) apart share their rows: only the mean over time differs. The paths, whose kernels differ
in height, are aligned on their newest rows. A window is 102 frames, or longer by a multiple of 32;
the hop is a multiple of 32, or divides it. Such a network is trained with gains of up to 15 dB
either way. [engine.md](../design/engine.md#streams) says what sharing rows saves.

## attention-fcn

After Zhang et al. 2018, [arXiv 1806.01506](https://arxiv.org/abs/1806.01506). The paper's abstract
says: fully convolutional, for speech of any length; attention to time-frequency regions of a
spectrogram; a start from a network trained on images.

Not confirmed by the abstract: the convolutions in AlexNet's style, and the attention as it is
reported of the paper, e = u . tanh(W a + b) at each of the T x F positions, softmax of 0.3 e over
all of them, and their weighted sum. Ours: kernels, strides and channels, which are AlexNet's own
without its groups; "same" padding; batch normalisation in the place of local response
normalisation, which has no int8 form; the attention as wide as the channels; dropout 0.3; the
spectrogram, which is the contract's, and training on windows of one length.
`attention-fcn-small` is scaled down for a microcontroller: a quarter of the channels in every
layer.

The Keras model takes any number of frames; conversion fixes it to the contract's window. The
softmax over all positions is computed in two steps, over the frequencies of each time and over the
times by their log-sum-exp, which is the same function: int8 softmax has steps of 1/256, and
over many positions at once most weights would be one or two of them.

The native engine keeps a few rows of each map, and of each time its weighted sum: what the softmax
over the times weighs is all that it needs at once. Its bits are those of TensorFlow Lite's
reference kernels (tested). The optimised LOG_SOFTMAX on a PC can round otherwise; the last column
of the table has what was measured.

## multitask-cnn

In the manner of Tripathi et al. 2019, [arXiv 1906.08873](https://arxiv.org/abs/1906.08873):
softmax and center loss together, and a decoder that reconstructs the input features from the
embedding as a regulariser. We could not see the paper's layers; these are ours, so this is not a
reproduction. Centers and decoder are part of training alone and never of the model that is saved.

Its weights of the two losses are its defaults; `--center-loss` and `--reconstruction` set them,
and switch both losses on for every other architecture. Center loss is Wen et al.'s (ECCV 2016):
half the squared distance of a window's embedding to its label's center, averaged over the batch;
centers move towards the embeddings of their label by 0.5 times the sum of the differences over
1 + their number. The reconstruction is judged by its mean squared error in standardised features.

## Starting from another model

`--init MODEL.keras` starts from another model's weights: of each layer that has the same name and
shapes in both, its last one only when the labels are the same. So a model of another corpus or
label set, of another window length, or of a related architecture can be the start; `train` says
which layers were taken and which not. `cross-validate` refuses a model that heard a speaker who
is to be tested, at first or at second hand, and `evaluate` and the model card count such speakers
as heard. They go by the corpora's names: the parts of IEMOCAP are one corpus, but a `csv` or a
`folder` that holds EMO-DB's recordings is none of EMO-DB's.

The attention paper started from AlexNet's weights of ImageNet. This project does not include them;
any model of yours can take their place.
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
