"""The settings that determine a model's weights, shared by training and cross-validation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sernet_edge.runtime.contract import NONE, Contract, Features, Level
from sernet_edge.train.corpora.choice import CorpusChoice
from sernet_edge.train.models import ARCHITECTURES, DEFAULT_ARCHITECTURE
from sernet_edge.train.new_contract import new_contract
from sernet_edge.train.recipe import RECIPES, Recipe

if TYPE_CHECKING:
    from sernet_edge.train.initial_weights import InitialWeights
    from sernet_edge.train.noise import Noise


@dataclass(frozen=True)
class ModelSettings:
    """The settings that determine a model's weights.

    Attributes:
        corpora: The speech to train on.
        architecture: Its name in `ARCHITECTURES`.
        features: See `Contract.features`; `of_architecture` chooses the architecture's own.
        init: Model whose weights the training starts from; None: random weights.
        recipe: The recipe of the training.
        level: See `Contract.level`.
        window_frames: See `Contract.window_frames`.
        seed: Seed of every random choice.
        noise: Folder of sounds without speech; see `Recipe.noise_share`.
    """

    corpora: CorpusChoice
    architecture: str = DEFAULT_ARCHITECTURE
    features: Features = "mfcc"
    init: Path | None = None
    recipe: Recipe = RECIPES["default"]
    level: Level = Contract.level
    window_frames: int = Contract.window_frames
    seed: int = 1
    noise: Path | None = None

    @staticmethod
    def of_architecture(
        corpora: CorpusChoice, architecture: str, recipe: Recipe = RECIPES["default"], **others: Any
    ) -> ModelSettings:
        """Return settings with an architecture's own features, level, window and losses.

        Args:
            corpora: See `ModelSettings`.
            architecture: See `ModelSettings`.
            recipe: The recipe; the architecture's own losses and gain, if any, replace its own.
            others: Further fields of `ModelSettings`.
        """
        own = ARCHITECTURES[architecture]
        recipe = dataclasses.replace(
            recipe,
            center_loss=own.center_loss or recipe.center_loss,
            reconstruction=own.reconstruction or recipe.reconstruction,
            gain_db=own.gain_db or recipe.gain_db,
        )
        fitting = {"level": own.level, "window_frames": own.window_frames, **others}
        return ModelSettings(corpora, architecture, own.features, recipe=recipe, **fitting)

    def provenance(
        self, initial_weights: InitialWeights | None, noise: Noise | None
    ) -> dict[str, Any]:
        """Return the contract's entries about the settings of the training."""
        return {
            "architecture": self.architecture,
            "initial": initial_weights.provenance if initial_weights else None,
            "seed": self.seed,
            "recipe": dataclasses.asdict(self.recipe),
            **({"noise": noise.provenance} if noise else {}),
        }

    def new_contract(self, labels: tuple[str, ...]) -> Contract:
        """Return the contract of the new model; see `new_contract.new_contract`.

        Args:
            labels: The corpora's labels. `NONE` is added if the recipe trains it.

        Raises:
            ContractError: The architecture's windows share rows, but not with this level or
                this window length.
        """
        own = ARCHITECTURES[self.architecture]
        if self.recipe.none_share and NONE not in labels:
            labels = (*labels, NONE)
        return new_contract(
            labels,
            self.level,
            self.window_frames,
            self.features,
            **own.rows,
        )
