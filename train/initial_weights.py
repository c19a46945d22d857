"""Transfer learning: starts a training from another model's weights instead of random ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.train.models.saved import load_saved

# This layer depends on the labels; a model with other labels cannot use its weights.
_OF_THE_LABELS = "scores"


@dataclass(frozen=True)
class InitialWeights:
    """The model that a training starts from.

    Attributes:
        path: Its file, *.keras.
        contract: Its contract.
        sha256: SHA-256 of its file.
    """

    path: Path
    contract: Contract
    sha256: str

    @staticmethod
    def read(path: Path) -> InitialWeights:
        """Read a model's contract; `give_to` reads its weights.

        Raises:
            SernetError: `sernet-edge train` did not write the file.
        """
        file = ModelFile.read(path)
        return InitialWeights(path, file.require_contract(), file.sha256)

    @property
    def provenance(self) -> dict[str, Any]:
        """The entry `initial` in the provenance of a model that starts from this one."""
        known = self.contract.provenance
        inherited = ("architecture", "corpus", "holdout_speakers", "initial")
        return {
            "model": self.path.name,
            "sha256": self.sha256,
            **{key: known[key] for key in inherited if key in known},
        }

    def give_to(self, model: Any, labels: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """Copy weights to the layers of a Keras model with the same names and shapes.

        Args:
            model: The model to train.
            labels: Its labels; the last layer is copied only if they are the same.

        Returns:
            The names of the layers that got weights, and of those that did not.

        Raises:
            SernetError: The file is damaged, or no layer fits.
        """
        other = load_saved(self.path, self.contract)
        theirs = {layer.name: layer.get_weights() for layer in other.layers}
        taken, not_taken = [], []
        for layer in (layer for layer in model.layers if layer.weights):
            found = theirs.get(layer.name, [])
            fits = [w.shape for w in found] == [tuple(w.shape) for w in layer.weights]
            if fits and (layer.name != _OF_THE_LABELS or labels == self.contract.labels):
                layer.set_weights(found)
                taken.append(layer.name)
            else:
                not_taken.append(layer.name)
        if not taken:
            raise SernetError(
                f"no layer of {self.path}, {self.contract.provenance.get('architecture')}, has the "
                f"name and shape of one in {model.name}",
                hint="start from a model of the same or a related architecture",
            )
        return taken, not_taken
