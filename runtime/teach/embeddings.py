"""Embeddings: the inputs of a model's last dense layer, for each window of a clip."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.frontend import Float64, FrontEnd, feature_rows
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.head import HeadPlace


class Embedder:
    """A model that returns its embeddings.

    Attributes:
        model: The model.
        place: The position of its head.
        front_end: The model's front end.
    """

    def __init__(self, file: ModelFile) -> None:
        """Load a model.

        Raises:
            ModelError: See `Model` and `HeadPlace`.
            ContractError: See `Model`.
        """
        self.model = Model(file, keep_tensors=True)
        self.place = HeadPlace(file)
        self.front_end = FrontEnd(self.model.contract)

    def windows(self, samples: NDArray[np.int16]) -> list[Float64]:
        """Return the rows of a clip's windows, each float64 (window_frames, feature_count).

        These are the windows that `listen` judges: one each hop, whole ones only. A clip that is
        shorter than a window is padded with digital silence.

        Args:
            samples: int16 (samples,) at the contract's rate.
        """
        contract = self.model.contract
        missing = max(0, contract.window_samples - len(samples))
        rows = feature_rows(self.front_end, np.pad(samples, (0, missing)))
        starts = range(0, len(rows) - contract.window_frames + 1, contract.hop_frames)
        return [rows[start : start + contract.window_frames] for start in starts]

    def of_window(self, rows: Float64) -> Float64:
        """Return the embedding of a window's rows, float64 (features,)."""
        self.model.run(self.front_end.window_features(rows))
        raw: NDArray[Any] = self.model.tensor(self.place.embedding_index)
        return self.place.dequantised(raw.reshape(-1))

    def of_clip(self, samples: NDArray[np.int16]) -> Float64:
        """Return the embeddings of a clip's `windows`, float64 (windows, features)."""
        return np.stack([self.of_window(rows) for rows in self.windows(samples)])
