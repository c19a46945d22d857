"""What teaching gives each test speaker of a cross-validation: `--teach K`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from sernet_edge.cross_validate.fold import FoldJob
from sernet_edge.runtime.errors import SernetError
from sernet_edge.runtime.modelfile import ModelFile
from sernet_edge.runtime.teach.embeddings import Embedder
from sernet_edge.train.evaluation import few_shot
from sernet_edge.train.progress import Progress
from sernet_edge.train.recordings import read_recordings


def taught_figures(jobs: Sequence[FoldJob], clips: int, progress: Progress) -> dict[str, Any]:
    """Return what `few_shot.summary` gives over the test speakers of finished folds.

    Args:
        jobs: The folds, whose int8 models are kept.
        clips: Of each emotion, K.
        progress: Is told which fold is taught.

    Raises:
        SernetError: A model was not kept, or cannot be taught.
    """
    speakers: dict[str, dict[str, list[float]]] = {}
    for number, job in enumerate(jobs):
        progress.show(f"teaching: fold {job.fold.name}, {number + 1} of {len(jobs)}")
        speakers |= _taught_fold(job, clips)
    progress.show("")
    return few_shot.summary(clips, speakers)


def _taught_fold(job: FoldJob, clips: int) -> dict[str, dict[str, list[float]]]:
    if not job.model_path.exists():
        raise SernetError(
            f"fold {job.fold.name} was trained without --keep-models, so no model of it can be "
            "taught",
            f"delete {job.path.name} in {job.run}, and repeat the command to train it again",
        )
    embedder = Embedder(ModelFile.read(job.model_path))
    testing = [job.utterances[i] for i in job.fold.test]
    speech = few_shot.Speech.of_recordings(embedder, read_recordings(testing, job.contract))
    measure = functools.partial(few_shot.conditions, embedder.place, speech)
    return few_shot.by_speaker(speech, clips, measure)
