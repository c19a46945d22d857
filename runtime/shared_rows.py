"""Runs a model on the windows of a stream and computes no row of its feature maps twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.row_stages import Stage, cut, find_stages

Int8 = NDArray[np.int8]


class SharedRows:
    """The stages of a model, with the rows that each has seen last.

    What is remembered changes no score: rows are taken from the window before only where that
    window holds the same features.
    """

    def __init__(
        self, flatbuffer: bytes, interpreter: Callable[[bytes], Any], stride_frames: int
    ) -> None:
        """Cut a model.

        Args:
            flatbuffer: A full-int8 model, without the archive behind it.
            interpreter: Makes one of a model.
            stride_frames: Frames between windows that share rows.

        Raises:
            ValueError: Its windows share no rows that can be kept.
            RuntimeError: The interpreter takes no part of the model.
        """
        found = find_stages(flatbuffer)
        if found is None:
            raise ValueError("no row of the model can be shared")
        stages, rest = found
        if stride_frames % math.prod(stage.step for stage in stages):
            raise ValueError("the contract's stride is not the model's")
        self._stages = [_RunningStage(cut(flatbuffer, s), s, interpreter) for s in stages]
        self._rest = _RunningStage(cut(flatbuffer, rest), rest, interpreter)
        self._stride = stride_frames
        self._window: Int8 | None = None  # the last one
        self._last_map: Int8 | None = None  # (rows, width, channels), that window's

    def run(self, window: Int8) -> Int8:
        """Return the scores, int8 (labels,), of a window, int8 (frames, features, channels)."""
        new = self._new_frames(window)
        if new == len(window):
            for stage in self._stages:
                stage.forget()
        rows = window[len(window) - new :]
        for stage in self._stages:
            rows = stage.push(rows)
        if new < len(window):
            assert self._last_map is not None
            rows = np.concatenate([self._last_map, rows])[-len(self._last_map) :]
        self._window, self._last_map = window.copy(), rows
        return self._rest.run(rows)

    def _new_frames(self, window: Int8) -> int:
        """Return how many frames a window has beyond those of the last one, or all."""
        if self._window is not None:
            for new in range(self._stride, len(window), self._stride):
                if np.array_equal(self._window[new:], window[:-new]):
                    return new
        return len(window)


class _RunningStage:
    """A stage's interpreter."""

    def __init__(self, model: bytes, stage: Stage, interpreter: Callable[[bytes], Any]) -> None:
        self._interpreter = interpreter(model)
        self._stage = stage
        self._height = 0  # rows that the interpreter is ready for
        self._kept: Int8 | None = None  # the rows that the next ones need, too

    def forget(self) -> None:
        """Start a stream."""
        self._kept = None

    def push(self, rows: Int8) -> Int8:
        """Take the next rows (rows, width, channels); return those that they complete."""
        if self._kept is not None:
            rows = np.concatenate([self._kept, rows])
        made = self.run(rows)
        self._kept = rows[len(made) * self._stage.step :]
        return made

    def run(self, rows: Int8) -> Int8:
        """Return what the stage makes of rows (rows, width, channels) alone."""
        if len(rows) != self._height:
            self._interpreter.resize_tensor_input(self._stage.source, (1, *rows.shape))
            self._interpreter.allocate_tensors()
            self._height = len(rows)
        self._interpreter.set_tensor(self._stage.source, rows[None])
        self._interpreter.invoke()
        made: Int8 = self._interpreter.get_tensor(self._stage.result)[0]
        return made
