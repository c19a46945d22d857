"""Architectures: each module builds one family of Keras models, with `keras` alone.

Every model converts (batch, frames, features, 1) to (batch, labels) softmax scores and names two
layers: "embedding", a vector for the window, and "scores", the dense softmax after it. The other
layers' names must not change either: `--init` finds weights by them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sernet_edge.runtime.contract import Contract, Features, Level


@dataclass(frozen=True)
class Architecture:
    """A named system to train.

    Attributes:
        family: The module in this package, and the function in it, that builds it.
        summary: One line that describes it.
        settings: Arguments of that function, where they differ from the family's defaults.
        features: The features that it was designed for; others work, too.
        center_loss: See `Recipe.center_loss`; a loss of this system's own.
        reconstruction: See `Recipe.reconstruction`; likewise.
        level: The treatment of loudness that it was designed for.
        gain_db: See `Recipe.gain_db`; a network without level removal needs random gains. 0: the
            recipe's.
        window_frames: See `Contract.window_frames`.
        hop_frames: See `Contract.hop_frames`.
        stride_frames: See `Contract.stride_frames`.
        receptive_frames: See `Contract.receptive_frames`.
    """

    family: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    features: Features = "mfcc"
    center_loss: float = 0.0
    reconstruction: float = 0.0
    level: Level = Contract.level
    gain_db: float = 0.0
    window_frames: int = Contract.window_frames
    hop_frames: int = Contract.hop_frames
    stride_frames: int = 0
    receptive_frames: int = 0

    @property
    def rows(self) -> dict[str, int]:
        """The contract's hop, and its fields about rows that windows share."""
        return {
            "hop_frames": self.hop_frames,
            "stride_frames": self.stride_frames,
            "receptive_frames": self.receptive_frames,
        }


def _streaming(summary: str, **settings: Any) -> Architecture:
    """Return a variant of LIGHT-SERNET whose windows share rows.

    Five pools halve the number of rows, hence the stride of 32 frames. One row of the last map
    depends on 2 * 1 + 2 = 4 rows of the map before. Those depend on 10, these on 22 and on 46, and
    these, through the tallest kernel of the paths, on 2 * 46 + 10 = 102 frames.
    """
    return Architecture(
        "light_sernet",
        summary,
        {"streams": True, **settings},
        level="none",
        gain_db=15.0,
        window_frames=198,
        hop_frames=32,
        stride_frames=32,
        receptive_frames=102,
    )


ARCHITECTURES = {
    "light-sernet": Architecture("light_sernet", "LIGHT-SERNET as published (ICASSP 2022)"),
    "light-sernet-half": Architecture(
        "light_sernet", "LIGHT-SERNET with half the channels", {"width": 0.5}
    ),
    "light-sernet-quarter": Architecture(
        "light_sernet", "LIGHT-SERNET with a quarter of the channels", {"width": 0.25}
    ),
    "light-sernet-ds": Architecture(
        "light_sernet", "LIGHT-SERNET with depthwise-separable convolutions", {"separable": True}
    ),
    "light-sernet-ds-half": Architecture(
        "light_sernet", "the same with half the channels", {"separable": True, "width": 0.5}
    ),
    "light-sernet-1path": Architecture(
        "light_sernet", "LIGHT-SERNET with one path at the input instead of three", {"paths": 1}
    ),
    "light-sernet-stream": _streaming("LIGHT-SERNET without padding in time: windows share rows"),
    "light-sernet-stream-half": _streaming("the same with half the channels", width=0.5),
    "light-sernet-stream-quarter": _streaming(
        "the same with a quarter of the channels", width=0.25
    ),
    "light-sernet-stream-ds": _streaming(
        "the same with depthwise-separable convolutions", separable=True
    ),
    "attention-fcn": Architecture(
        "attention_fcn",
        "attention over an AlexNet-like spectrogram network (after arXiv 1806.01506)",
        features="spectrogram",
    ),
    "attention-fcn-small": Architecture(
        "attention_fcn",
        "the same with a quarter of the channels, for a microcontroller",
        {"width": 0.25},
        features="spectrogram",
    ),
    "multitask-cnn": Architecture(
        "multitask_cnn",
        "CNN with center loss and reconstruction (in the manner of arXiv 1906.08873)",
        center_loss=0.01,
        reconstruction=0.1,
    ),
}
"""Architectures by name."""

DEFAULT_ARCHITECTURE = "light-sernet"


def build(name: str, contract: Contract, batch_norm_momentum: float) -> Any:
    """Return a freshly built `keras.Model` of architecture `name` for a contract's windows."""
    architecture = ARCHITECTURES[name]
    # Imported here: --help needs the names, too, and must not wait for Keras.
    module = importlib.import_module(f"{__name__}.{architecture.family}")
    model = getattr(module, architecture.family)(
        contract.window_frames,
        contract.feature_count,
        len(contract.labels),
        batch_norm_momentum,
        **architecture.settings,
    )
    model.name = name
    return model


def build_for_measuring(name: str, contract: Contract, seed: int) -> Any:
    """Return `build`'s model with all weights random, which costs the same as a trained one.

    In a fresh model, biases are 0 and batch norms do nothing, and the converter would remove them.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = build(name, contract, batch_norm_momentum=0.9)
    rng = np.random.default_rng(seed)
    model.set_weights(
        [w + rng.uniform(0, 0.1, w.shape) if w.ndim == 1 else w for w in model.get_weights()]
    )
    return model
