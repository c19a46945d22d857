"""Reads the figures of `speech_bank.measure`, and formats tables of means and ranges of seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.errors import SernetError


@dataclass(frozen=True)
class Figures:
    """The figures of a file.

    Attributes:
        name: The file's name, for the page.
        settings: The other numbers of the file, such as the epochs of each training.
        systems: The compared systems.
        corpora: The tested corpora, sorted by name.
        conditions: The conditions of the test.
        values: In percent, float64 (systems, seeds, corpora, conditions).
    """

    name: str
    settings: Mapping[str, int]
    systems: Sequence[str]
    corpora: Sequence[str]
    conditions: Sequence[str]
    values: NDArray[np.float64]

    @staticmethod
    def read(
        path: Path,
        systems: Sequence[str],
        conditions: Sequence[str],
        settings: Sequence[str] = ("epochs",),
    ) -> Figures:
        """Read the figures of `systems`, and the numbers of these `settings`.

        Raises:
            SernetError: The file holds something else, or lacks figures.
        """
        try:
            document = json.loads(path.read_text())
            found = document["figures"]
            seeds = sorted({key.rsplit(", ", 2)[1] for key in found})
            corpora = sorted({key.rsplit(", ", 2)[2] for key in found})
            values = [
                [
                    [[found[f"{s}, {seed}, {c}"][name] for name in conditions] for c in corpora]
                    for seed in seeds
                ]
                for s in systems
            ]
            numbers = {setting: int(document[setting]) for setting in settings}
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SernetError(
                f"{path} holds no figures of these systems, or not all of them: {error}"
            ) from error
        name = f"benchmarks/{path.name}"
        return Figures(name, numbers, systems, corpora, conditions, np.array(values))

    @property
    def tested(self) -> str:
        """The corpora in words."""
        return " and ".join([", ".join(self.corpora[:-1]), self.corpora[-1]])

    @property
    def seeds(self) -> int:
        """Number of seeds."""
        return self.values.shape[1]

    @property
    def spread(self) -> float:
        """The largest range of a system's seeds, of means over corpora in the first condition."""
        return float(np.ptp(self.values[..., 0].mean(axis=2), axis=1).max())

    def by_condition(self, first: str) -> str:
        """Return the table of the means over corpora."""
        return self._table(first, self.conditions, self.values.mean(axis=2))

    def by_corpus(self, first: str) -> str:
        """Return the table of the corpora and their mean, in the first condition."""
        values = self.values[..., 0]
        both = np.concatenate([values, values.mean(axis=2, keepdims=True)], axis=2)
        return self._table(first, [*self.corpora, "mean"], both)

    def _table(self, first: str, columns: Sequence[str], values: NDArray[np.float64]) -> str:
        """Return a table of values (systems, seeds, columns), with mean and range of the seeds."""
        lines = [
            f"| {first} | {' | '.join(columns)} |",
            "|---" * (len(columns) + 1) + "|",
        ]
        for system, of_system in zip(self.systems, values, strict=True):
            cells = [
                f"{of_seeds.mean():.1f} ({of_seeds.min():.1f} to {of_seeds.max():.1f})"
                for of_seeds in of_system.T
            ]
            lines.append(f"| {system} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"
