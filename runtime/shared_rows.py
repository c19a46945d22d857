"""Runs a model on the windows of a stream, and computes each row of its feature maps once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sernet_edge.runtime.row_stages import Stage, cut, find_stages

Int8 = NDArray[np.int8]

Phases = dict[int, Int8]
"""Rows (rows, width, channels) of a map, by phase. A phase is a number of frames: its rows are
those of a window that begins so many frames after the first, or a multiple of the stride later."""


class SharedRows:
    """The stages of a model, with the last rows of each.

    This changes no score: rows of an earlier window are used only if that window had the same
    features.

    Windows that begin a multiple of the stride apart share all rows. When a window begins closer to
    the last, at a hop that divides the stride, all rows of windows at that hop are computed from
    then on. If the rows of a stage are further apart than the hop, the stage runs once for each
    phase, and each phase has rows of its own.
    """

    def __init__(
        self, flatbuffer: bytes, interpreter: Callable[[bytes], Any], stride_frames: int
    ) -> None:
        """Cut a model into stages.

        Args:
            flatbuffer: A full-int8 model, without the archive after it.
            interpreter: Makes an interpreter for a model.
            stride_frames: Frames between windows that share all rows.

        Raises:
            ValueError: Its windows share no rows, or the stride is not the model's.
            RuntimeError: The interpreter cannot run a part of the model.
        """
        found = find_stages(flatbuffer)
        if found is None:
            raise ValueError("no row of the model can be shared")
        stages, rest = found
        if stride_frames % math.prod(stage.step for stage in stages):
            raise ValueError("the contract's stride is not the model's")
        self._stages: list[_RunningStage] = []
        apart = 1
        for stage in stages:
            self._stages.append(_RunningStage(cut(flatbuffer, stage), stage, apart, interpreter))
            apart *= stage.step
        self._rest = _Runner(cut(flatbuffer, rest), rest, interpreter)
        self._apart = apart  # frames from one row of the last map to the next
        self._stride = stride_frames
        self._hop = stride_frames  # divides the starts of all windows since the last gap
        self._begin = 0  # frames from the first window's start to the last one's
        self._window: Int8 | None = None  # the last window
        self._last_map: Phases = {}  # the newest rows of the last map, as many as a window has

    def run(self, window: Int8) -> Int8:
        """Return the scores, int8 (labels,), of a window, int8 (frames, features, channels)."""
        new = self._new_frames(window)
        if new > self._apart * len(self._last_map.get(0, ())):
            # The windows share no row of the last map. With the rows that were kept, the stages
            # would get more than a window has, and an interpreter never gives memory back.
            new = len(window)
        self._begin += new
        if new == len(window):
            self._begin, self._last_map = 0, {}
            for stage in self._stages:
                stage.forget()
        rows: Phases = {0: window[len(window) - new :]}
        for stage in self._stages:
            rows = stage.push(rows, self._hop)
        height = len(self._last_map.get(0, rows[0]))
        for phase, made in rows.items():
            kept = self._last_map.get(phase, made[:0])
            self._last_map[phase] = np.concatenate([kept, made])[-height:]
        self._window = window.copy()
        return self._rest.run(self._last_map[self._begin % self._apart])

    def _new_frames(self, window: Int8) -> int:
        """Return the number of frames after those of the last window; all if none can be reused.

        If the window begins at a finer hop than those before, rows of its phase are missing, and
        none can be reused. Such a window begins less than a hop after the last one. Rows that
        happen to be equal further on, as in silence, don't make the hop finer.
        """
        if self._window is None:
            return len(window)
        begins = 1 + np.flatnonzero((self._window[1:] == window[0]).all(axis=(1, 2)))
        for hop in range(self._hop, 0, -1):
            if self._hop % hop:
                continue
            for new in begins[begins % hop == 0].tolist():
                if hop < self._hop <= new:
                    break
                if np.array_equal(self._window[new:], window[:-new]):
                    is_finer, self._hop = hop < self._hop, hop
                    return len(window) if is_finer else int(new)
        self._hop = self._stride
        return len(window)


class _Runner:
    """An interpreter for a part of a model."""

    def __init__(self, model: bytes, part: Stage, interpreter: Callable[[bytes], Any]) -> None:
        self._interpreter = interpreter(model)
        self._part = part
        self._height = 0  # number of rows that the interpreter has allocated

    def run(self, rows: Int8) -> Int8:
        """Return the part's output for rows (rows, width, channels)."""
        if len(rows) != self._height:
            self._interpreter.resize_tensor_input(self._part.source, (1, *rows.shape))
            self._interpreter.allocate_tensors()
            self._height = len(rows)
        self._interpreter.set_tensor(self._part.source, rows[None])
        self._interpreter.invoke()
        made: Int8 = self._interpreter.get_tensor(self._part.result)[0]
        return made


class _RunningStage:
    """A stage that runs on a stream, in one or more phases."""

    def __init__(
        self, model: bytes, stage: Stage, apart: int, interpreter: Callable[[bytes], Any]
    ) -> None:
        """Prepare the stage.

        Args:
            model: The stage's operators as a model.
            stage: The stage.
            apart: Frames from one row of its source to the next.
            interpreter: Makes an interpreter for a model.
        """
        self._runner = _Runner(model, stage, interpreter)
        self._stage = stage
        self._apart = apart
        self._kept: Phases = {}  # rows of the source that the next rows of the result also need
        self._no_rows: Int8 | None = None

    def forget(self) -> None:
        """Start a new stream."""
        self._kept = {}

    def push(self, rows: Phases, hop: int) -> Phases:
        """Take the next rows of all phases; return the rows that they complete."""
        made: Phases = {}
        made_apart = self._apart * self._stage.step
        for phase in range(0, made_apart, math.gcd(made_apart, hop)):
            source = rows[phase % self._apart]
            if phase in self._kept:
                source = np.concatenate([self._kept[phase], source])
            else:
                source = source[phase // self._apart :]
            made[phase] = self._made_of(source)
            self._kept[phase] = source[len(made[phase]) * self._stage.step :]
        return made

    def _made_of(self, source: Int8) -> Int8:
        """Return all rows that consecutive rows of the source complete."""
        rows, step = self._stage.rows, self._stage.step
        count = (len(source) - rows) // step + 1
        if count < 1 and self._no_rows is not None:
            return self._no_rows
        made = self._runner.run(source[: (count - 1) * step + rows])
        self._no_rows = made[:0]
        return made
