"""Teaches a model: fits a new head to clips, and writes it into the model's file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sernet_edge import __version__
from sernet_edge.runtime.drift import drift
from sernet_edge.runtime.errors import ModelError, SernetError
from sernet_edge.runtime.interpreter import Model
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.clips import Clip
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.runtime.teach.estimate import Estimate, estimate
from sernet_edge.runtime.teach.fit import TaughtClips, softmax, teach_head
from sernet_edge.runtime.teach.head import Head, QuantisedHead, dequantise

# Largest mean difference between the finished model's scores and the fitted head's, due to int8.
_LARGEST_MEAN_DIFFERENCE = 0.05

# Windows of a clip, evenly spaced. Longer clips repeat themselves.
_MOST_WINDOWS = 20


@dataclass(frozen=True)
class Taught:
    """A taught model and its figures.

    Attributes:
        file: The model, with its contract.
        estimate: Its results on clips that it was not taught with.
        counts: Number of clips of each label.
        temperature: Number that the logits were divided by.
    """

    file: ModelFile
    estimate: Estimate
    counts: dict[str, int]
    temperature: float

    @property
    def untaught(self) -> list[str]:
        """Labels without clips, which keep their weights."""
        return [label for label, count in self.counts.items() if not count]

    @property
    def is_worse(self) -> bool:
        """Whether the old model judges clips better than one taught with the other clips."""
        found = self.estimate
        return bool(len(found.clips)) and found.uar(found.right) < found.uar(found.right_before)

    def record(self) -> dict[str, Any]:
        """Return the figures for JSON and for the model's provenance.

        `clips`: their number by label; `judged`: how many of them were judged by a head taught
        with the others, None if none were; `uar` and `uar_before`, 0..1, over these;
        `temperature`.
        """
        found = self.estimate
        judged = len(found.clips)
        return {
            "clips": self.counts,
            "judged": judged,
            "uar": found.uar(found.right) if judged else None,
            "uar_before": found.uar(found.right_before) if judged else None,
            "temperature": float(f"{self.temperature:.4g}"),
        }


def teach(
    file: ModelFile,
    clips: Sequence[Clip],
    tell: Callable[[str], None],
    advance: Callable[[int], None] = lambda done: None,
) -> Taught:
    """Fit a model's last layer again on labelled clips.

    Args:
        file: The model.
        clips: The clips, with labels that the model has.
        tell: Called with each warning, one line.
        advance: Called with the number of clips that are embedded.

    Raises:
        ModelError: The model cannot be taught; see `HeadPlace`.
        ContractError: See `Model`.
        SernetError: The model's level needs a whole recording, which a stream does not have.
    """
    embedder = Embedder(file)
    contract, place = embedder.model.contract, embedder.place
    if contract.level == "clip":
        raise SernetError(
            f"{file.name} normalises by the loudness of a whole recording, and cannot listen",
            "teach a model that was trained with another --level",
        )
    taught = _understand(embedder, clips, tell, advance)
    found = estimate(place.head, taught)
    for number, label in found.contradicting():
        clip = clips[number].file
        tell(
            f"{clip.path} is labelled {clip.label}, but is {contract.labels[label]} to a model "
            "taught with the other clips"
        )
    temperature = found.temperature()
    head = teach_head(place.head, taught).divided_by(temperature)
    fitted = place.quantise(head, taught.stacked) if place.is_int8 else head
    bare = place.replaced(fitted)
    counts = np.bincount(taught.labels, minlength=len(contract.labels)).tolist()
    result = Taught(bare, found, dict(zip(contract.labels, counts, strict=True)), temperature)
    provenance = {
        **contract.provenance,
        "taught": {
            **result.record(),
            "base_contract": contract.id,
            "base_sha256": file.sha256,
            "taught_with": f"sernet-edge {__version__}",
        },
    }
    changed = contract.replace(
        unsure_below=found.unsure_below(temperature, contract.unsure_below),
        taught=head_digest(fitted),
        provenance=provenance,
    )
    finished = bare.with_contract(changed)
    _verify(Embedder(finished), fitted, taught, clips)
    return Taught(finished, found, result.counts, temperature)


def head_digest(head: Head | QuantisedHead) -> str:
    """Return 16 hex digits that identify a head: `Contract.taught`."""
    if isinstance(head, QuantisedHead):
        parts = [
            head.weights.astype("<i1"),
            head.bias.astype("<i4"),
            np.array([head.weight_scale, head.logit_scale], "<f4"),
            np.array([head.logit_zero_point], "<i4"),
        ]
    else:
        parts = [head.weights.astype("<f4"), head.bias.astype("<f4")]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


def _understand(
    embedder: Embedder,
    clips: Sequence[Clip],
    tell: Callable[[str], None],
    advance: Callable[[int], None],
) -> TaughtClips:
    """Return the clips' embeddings; warn of clips that differ from the training speech."""
    contract = embedder.model.contract
    windows = []
    for done, clip in enumerate(clips):
        advance(done)
        rows = embedder.windows(clip.samples)
        rows = rows[:: -(-len(rows) // _MOST_WINDOWS)]
        drifts = [drift(embedder.front_end.standardise(window)) for window in rows]
        if contract.drift_limit and min(drifts) > contract.drift_limit:
            tell(
                f"{clip.file.path} is unlike the speech that the model was trained on: listening, "
                "such sound is never sure"
            )
        windows.append(np.stack([embedder.of_window(window) for window in rows]))
    advance(len(clips))
    labels = np.array([contract.labels.index(clip.file.label) for clip in clips])
    return TaughtClips(tuple(windows), labels)


def _verify(
    finished: Embedder, head: Head | QuantisedHead, taught: TaughtClips, clips: Sequence[Clip]
) -> None:
    """Run the finished model on the first window of each clip.

    Raises:
        ModelError: Its scores differ from the head's.
    """
    model, place = finished.model, finished.place
    if isinstance(head, QuantisedHead):
        head = dequantise(head, place.embedding_scale)
    wanted = softmax(head.logits(np.stack([windows[0] for windows in taught.windows])))
    got = np.stack([_scores_of_first(model, finished, clip) for clip in clips])
    difference = float(np.abs(got - wanted).mean(axis=1).max())
    if difference > _LARGEST_MEAN_DIFFERENCE:
        raise ModelError(
            f"{model.name}: the taught model's scores differ by {difference:.3f} from those that "
            "were fitted",
            "teach with fewer or clearer clips",
        )


def _scores_of_first(model: Model, embedder: Embedder, clip: Clip) -> Any:
    window = embedder.windows(clip.samples)[0]
    return model.run(embedder.front_end.window_features(window))
