"""The settings of a training that are not part of the contract."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sernet_edge.runtime.errors import SettingError

Loss = Literal["cross-entropy", "focal"]
Schedule = Literal["cosine", "stairs"]
Segments = Literal["random", "middle", "all"]
TestSegments = Literal["listen", "middle"]
Precision = Literal["float32", "bfloat16"]

_SHARES = (
    "short_share",
    "room_share",
    "noise_share",
    "telephone_share",
    "clip_share",
    "none_share",
)


@dataclass(frozen=True)
class Recipe:
    """The settings of one training run.

    Attributes:
        epochs: Passes over the training utterances; in a pass each window of `segments` is used
            once. With `steps`, or several corpora, windows are drawn at random instead.
        batch_size: Windows in a step.
        steps: Steps in an epoch with windows drawn at random: all labels of a corpus equally
            often, and each corpus in proportion to the square root of its number of windows. 0:
            with one corpus each window is used once; with several, as many are drawn as there are.
        segments: The windows of an utterance to train on. "random": one, at a new random place in
            every epoch. "middle": the one in the middle. "all": as many as fit side by side
            around the middle without overlap; the rest at both ends is not used. An utterance
            shorter than a window is put at a random place in silence, or in the middle of it.
        test_segments: The windows of an utterance to test on. "listen": those that `listen` would
            score, one each hop from the start; their scores are averaged. "middle": the one in the
            middle.
        learning_rate: The highest learning rate.
        schedule: "cosine" falls to 0 along half a cosine; "stairs" multiplies by e^-0.15 at epoch
            50 and every 20 epochs after it.
        weight_decay: Decoupled decay of AdamW; 0 is plain Adam.
        loss: "cross-entropy", or "focal" with alpha 1.
        focal_gamma: How much the focal loss reduces the weight of well-classified windows.
        label_smoothing: Share of the target that is spread evenly over all classes.
        mixup: Parameter of the Beta distribution of the shares when two windows are mixed; 0 is
            off.
        speed: Each window is played faster or slower by up to this share, which also changes the
            pitch.
        reverb_s: Each window is put in a room with up to this reverberation time (RT60); 0 is off.
        equaliser_db: Each window gets a random frequency response of up to +- this.
        noise_snr_db: Each window gets noise, at most as loud as this ratio says; 0 is off.
        gain_db: Each window's level is changed by up to +- this.
        quiet_db: Each window's level may be lower by up to this in addition, as of a voice far from
            the microphone.
        label_shares: How often labels are drawn, relative to 1 for all others: "fear=0.3" or
            "fear=0.3,sadness=0.5". The model then answers them less often in proportion.
        short_share: Share of windows with only 0.4 to 1.5 s of the recording, the length of a
            word: once, in digital silence, or repeated. This and the four shares below are 0 to 1;
            0 is off.
        room_share: Share of windows in a simulated room; see `rooms`.
        noise_share: Share of windows with noise from the training's noise folder, 3 to 30 dB below
            the speech.
        telephone_share: Share of windows over a telephone; see `augment.telephone`.
        clip_share: Share of windows that are 3 to 20 dB too loud, and clipped.
        none_share: Share of windows without speech: clips of the noise folder, coloured noise at
            any level, and digital silence. They train the label "none".
        time_mask_frames: Longest run of frames set to the mean (SpecAugment); 0 is off.
        mfcc_mask: Longest run of coefficients set to the mean (SpecAugment); 0 is off.
        average_epochs: The final weights are the mean of those after each of the last epochs, this
            many, or all if there are fewer; 1 takes the last epoch's.
        ema: Above 0, the final weights are an exponential moving average instead: those after each
            step are multiplied by this at every later step. Both averages include the batch norms'
            statistics, which fit averaged weights only approximately.
        training_frames: Frames in a training window, for a network whose rows do not depend on the
            ends of its window (`Contract.stride_frames`); 0: as many as in a test window. Steps
            with shorter windows take less time. It must be a valid window length of the network.
        precision: Number format of the training; weights are float32 with both. "bfloat16" is
            faster for wide networks if the processor has instructions for it, else slower.
        batch_norm_momentum: Momentum of the batch norms' running statistics.
        class_weights: Whether the loss weights classes by inverse frequency.
        center_loss: Weight of half the squared distance to the class's center, averaged over a
            batch; 0 is off. See `losses`.
        reconstruction: Weight of the mean squared error of the input that a decoder reconstructs
            from the embedding, in standardised features; 0 is off.
    """

    epochs: int = 45
    batch_size: int = 32
    steps: int = 0
    segments: Segments = "random"
    test_segments: TestSegments = "listen"
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    weight_decay: float = 1e-2
    loss: Loss = "cross-entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    mixup: float = 0.2
    speed: float = 0.0
    reverb_s: float = 0.0
    equaliser_db: float = 0.0
    noise_snr_db: float = 0.0
    gain_db: float = 6.0
    quiet_db: float = 0.0
    label_shares: str = ""
    short_share: float = 0.0
    room_share: float = 0.0
    noise_share: float = 0.0
    telephone_share: float = 0.0
    clip_share: float = 0.0
    none_share: float = 0.0
    time_mask_frames: int = 24
    mfcc_mask: int = 6
    average_epochs: int = 10
    ema: float = 0.0
    training_frames: int = 0
    precision: Precision = "float32"
    batch_norm_momentum: float = 0.9
    class_weights: bool = False
    center_loss: float = 0.0
    reconstruction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible settings.

        Raises:
            ValueError: Names the first wrong setting.
        """
        for name in ("epochs", "batch_size", "average_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name, value in dataclasses.asdict(self).items():
            if not isinstance(value, str) and not 0 <= value < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {value}")
        for name in _SHARES:
            if getattr(self, name) > 1:
                raise ValueError(f"{name} must be at most 1, not {getattr(self, name)}")
        for name in ("none_share", "speed", "label_smoothing", "ema", "batch_norm_momentum"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be below 1, not {getattr(self, name)}")
        for name, names in (
            ("segments", Segments),
            ("test_segments", TestSegments),
            ("schedule", Schedule),
            ("loss", Loss),
            ("precision", Precision),
        ):
            if getattr(self, name) not in (known := typing.get_args(names)):
                raise ValueError(f"{name} must be {' or '.join(known)}, not {getattr(self, name)}")

        self.share_by_label()

    def share_by_label(self) -> dict[str, float]:
        """Return `label_shares` as numbers by label.

        Raises:
            ValueError: A label has no number above 0.
        """
        shares: dict[str, float] = {}
        for text in filter(None, self.label_shares.split(",")):
            label, _, share = text.partition("=")
            try:
                shares[label.strip()] = float(share)
            except ValueError:
                shares[label.strip()] = 0.0
            if not 0 < shares[label.strip()] < math.inf:
                raise ValueError(
                    f"label_shares must be LABEL=SHARE, each share above 0, not {text!r}"
                )
        return shares

    @property
    def has_fixed_features(self) -> bool:
        """Whether a window's features are the same in every epoch, except for masks."""
        sound = (self.speed, self.reverb_s, self.equaliser_db, self.noise_snr_db)
        gains = (self.gain_db, self.quiet_db)
        return self.segments != "random" and not any(sound + gains) and not self.is_robust

    @property
    def is_robust(self) -> bool:
        """Whether some windows are short, without speech, in a room, in noise, or distorted."""
        return any(getattr(self, name) for name in _SHARES)

    def learning_rate_at(self, epoch: int, step: int, steps: int) -> float:
        """Return the learning rate at step `step` of `steps` in epoch `epoch`, all from 0."""
        if self.schedule == "stairs":
            return self.learning_rate * math.exp(-0.15 * max(0, (epoch - 50) // 20 + 1))
        progress = (epoch + step / steps) / self.epochs
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def recipe_from(saved: Mapping[str, Any] | None) -> Recipe | None:
    """Return the recipe of a saved run or model.

    Args:
        saved: Its settings by name. A setting that is newer than the run is missing, and gets its
            default, which has no effect.

    Returns:
        The recipe; None if `saved` is None or this version does not know the recipe.
    """
    try:
        return None if saved is None else Recipe(**saved)
    except (TypeError, ValueError):
        return None


def check_noise(recipe: Recipe, is_given: bool) -> None:
    """Refuse a recipe that needs noise without a noise folder, and a folder that is not used.

    Args:
        recipe: The recipe.
        is_given: Whether there is a noise folder.

    Raises:
        SettingError: The recipe and the folder do not fit.
    """
    if recipe.noise_share and not is_given:
        raise SettingError(
            "noise",
            f"the recipe adds noise to {recipe.noise_share:.0%} of the windows: name a folder of "
            "noise, or add --set noise_share=0",
        )
    if is_given and not recipe.noise_share and not recipe.none_share:
        raise SettingError(
            "noise",
            "the recipe has no use for noise: add --recipe robust, --set noise_share=0.5 or "
            "--set none_share=0.125",
        )


RECIPES = {
    "default": Recipe(),
    # For voices, rooms and microphones that the corpora do not contain. Needs a noise folder.
    "robust": Recipe(
        speed=0.1,
        equaliser_db=6.0,
        gain_db=15.0,
        short_share=0.1,
        room_share=0.4,
        noise_share=0.5,
        telephone_share=0.15,
        clip_share=0.05,
        none_share=0.125,
    ),
    # The recipe of the model `voices`: like robust, with more unchanged windows, and with speech as
    # quiet as far from a microphone. Fear is rarer in life than in a corpus.
    "voices": Recipe(
        epochs=30,
        steps=100,
        training_frames=134,
        precision="bfloat16",
        speed=0.1,
        equaliser_db=6.0,
        gain_db=15.0,
        quiet_db=20.0,
        label_shares="fear=0.3",
        short_share=0.08,
        room_share=0.3,
        noise_share=0.35,
        telephone_share=0.1,
        clip_share=0.04,
        none_share=0.08,
    ),
    # The published recipe: Adam, no augmentation, the last epoch's weights. The authors' code also
    # trains and tests on the middle of each utterance. Their windows are exactly 3 s or 7 s, the
    # contract's are whole frames, so they differ by up to 8 ms. Their stairs begin at epoch 60:
    # they step where an epoch from 50 on is a multiple of 20. The front end differs; see
    # docs/guides/training.md.
    "paper": Recipe(
        epochs=300,
        segments="middle",
        test_segments="middle",
        learning_rate=1e-4,
        schedule="stairs",
        weight_decay=0.0,
        label_smoothing=0.0,
        mixup=0.0,
        gain_db=0.0,
        time_mask_frames=0,
        mfcc_mask=0,
        average_epochs=1,
        batch_norm_momentum=0.99,
    ),
}
"""Recipes by name."""
