"""A model that was read and planned: what exporting and measuring the native engine start from."""

from __future__ import annotations

from dataclasses import dataclass

from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import Plan, plan_network
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.runtime.modelfile import ModelFile


@dataclass(frozen=True)
class PlannedModel:
    """A full-int8 `.tflite` with its network and the network's schedule.

    Attributes:
        file: The `.tflite`.
        network: Its layers.
        plan: How they run row by row.
    """

    file: ModelFile
    network: Network
    plan: Plan

    @staticmethod
    def read(file: ModelFile) -> PlannedModel:
        """Read and plan a model.

        Raises:
            ModelError: The file is damaged, or beyond the native engine.
        """
        network = read_network(file)
        return PlannedModel(file, network, plan_network(network))
