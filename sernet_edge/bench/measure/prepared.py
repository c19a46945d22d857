"""A model that is read, planned and written as C once, for all sections of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sernet_edge.bench.measure.models import BenchModel
from sernet_edge.firmware_export.graph import Graph, read_graph
from sernet_edge.firmware_export.measure import cross, firmware
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile


class Workshop:
    """A folder for the programs of a run, and QEMU's plugin that counts their instructions."""

    def __init__(self, folder: Path) -> None:
        """Build in `folder`."""
        self._folder = folder
        self._models = 0

    @cached_property
    def counter(self) -> Path:
        """The plugin that counts instructions.

        Raises:
            SernetError: It cannot be compiled.
        """
        return cross.build_counter(self._folder)

    def prepare(self, model: BenchModel) -> Prepared:
        """Read a model, and plan it for the native engine if that runs it.

        Raises:
            ModelError: No `.tflite`, or a damaged one.
        """
        self._models += 1
        folder = self._folder / str(self._models)
        folder.mkdir()
        graph, planned, refusal = read_graph(model.file), None, ""
        try:
            planned = PlannedModel.read(model.file)
        except ModelError as error:
            refusal = str(error).removeprefix(f"{model.name}: ")
        return Prepared(model, graph, planned, refusal, folder, self)


@dataclass(frozen=True)
class Prepared:
    """One model of a run.

    Attributes:
        model: As it was given.
        graph: Its operators and tensors, of any types.
        planned: For the native engine; None where that does not run it.
        refusal: Why the engine does not run it.
        folder: For what is built of it.
        workshop: Of the run.
    """

    model: BenchModel
    graph: Graph
    planned: PlannedModel | None
    refusal: str
    folder: Path
    workshop: Workshop

    @property
    def name(self) -> str:
        """The model's, for tables and messages."""
        return self.model.name

    @property
    def file(self) -> ModelFile:
        """The model's `.tflite`."""
        return self.model.file

    @cached_property
    def sources(self) -> firmware.Sources:
        """The C that measures the model.

        Raises:
            SernetError: The native engine does not run the model, or its contract is beyond the
                C front end.
        """
        if self.planned is None:
            raise ModelError(f"{self.name}: {self.refusal}")
        return firmware.write_sources(self.planned, self.folder)
