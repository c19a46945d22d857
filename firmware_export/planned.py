"""Reads and plans a model: the first step of every export and measurement of the native engine."""

from __future__ import annotations

from dataclasses import dataclass

from sernet_edge.firmware_export.frontend_tables import bins_bytes
from sernet_edge.firmware_export.network import Network
from sernet_edge.firmware_export.plan import External, Plan, plan_network, state_bytes
from sernet_edge.firmware_export.reader import read_network
from sernet_edge.firmware_export.streaming import NotStreamable, Stream, plan_stream
from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.modelfile import ModelFile


@dataclass(frozen=True)
class PlannedModel:
    """A full-int8 `.tflite` with its network and the network's schedule.

    Attributes:
        file: The `.tflite`.
        network: Its layers.
        plan: The schedule for whole windows.
        stream: The schedule for shared rows; None: the engine computes whole windows.
        reason: Why windows do or do not share rows; a sentence without its full stop.
        hop_frames: Frames from one window to the next, the default in C; 0 without a contract.
    """

    file: ModelFile
    network: Network
    plan: Plan
    stream: Stream | None
    reason: str
    hop_frames: int = 0

    @staticmethod
    def read(
        file: ModelFile, external: External | None = None, hop_frames: int | None = None
    ) -> PlannedModel:
        """Read and plan a model.

        Args:
            file: The `.tflite`.
            external: Set if the weights will lie in a memory outside the chip.
            hop_frames: Frames from one window to the next, for a model with a contract. None: the
                contract's hop.

        Raises:
            ModelError: The file is damaged, the native engine does not support it, or its windows
                do not share rows although the contract says so.
            ContractError: The contract does not allow this hop.
        """
        network = read_network(file)
        hop_frames = _hop(file.contract, hop_frames)
        if file.contract is not None and network.state_bytes:
            raise ModelError(
                f"{file.name}: the network keeps a state from one window to the next, and a "
                "contract's windows overlap",
                "take the contract off, and export the network alone",
            )
        # The front end's spectrum shares the network's working memory.
        spectrum_bytes = 0 if file.contract is None else bins_bytes(file.contract)
        stream, reason = _stream(file, network, spectrum_bytes, external, hop_frames)
        plan = plan_network(network, spectrum_bytes, external)
        return PlannedModel(file, network, plan, stream, reason, hop_frames)

    @property
    def state_bytes(self) -> int:
        """Bytes of the network's state."""
        return state_bytes(self.stream.body if self.stream else self.plan)


def _hop(contract: Contract | None, hop_frames: int | None) -> int:
    if contract is None:
        return 0
    # The contract refuses impossible hops.
    return (contract if hop_frames is None else contract.replace(hop_frames=hop_frames)).hop_frames


def _stream(
    file: ModelFile,
    network: Network,
    spectrum_bytes: int,
    external: External | None,
    hop_frames: int,
) -> tuple[Stream | None, str]:
    """Return the schedule for shared rows, or None, and the reason."""
    contract = file.contract
    promised = contract is not None and contract.stride_frames > 0
    try:
        stream = plan_stream(network, spectrum_bytes, external, hop_frames if promised else None)
    except NotStreamable as error:
        if promised:
            assert contract is not None
            raise ModelError(
                f"{file.name}: the contract says that windows share rows (stride_frames "
                f"{contract.stride_frames}), but {error.message}",
                "train it with a `light-sernet-stream` architecture, which pads nothing in time, "
                "or with a contract whose stride_frames and receptive_frames are 0",
            ) from error
        return None, error.message
    if not promised:
        return None, (
            f"its windows could share rows at hops of multiples of {stream.stride_frames} frames, "
            + ("but it has no contract" if contract is None else "but its contract's stride_frames "
               "is 0")
        )  # fmt: skip
    assert contract is not None
    _check_promise(file, contract, stream)
    return stream, (
        f"windows that begin a multiple of {stream.stride_frames} frames apart share their rows"
        + (f", those {stream.hop_frames} apart the first layers'" if stream.apart > 1 else "")
    )


def _check_promise(file: ModelFile, contract: Contract, stream: Stream) -> None:
    """Refuse a contract whose frame counts differ from the network's."""
    for name in ("stride_frames", "receptive_frames", "window_frames"):
        told, found = getattr(contract, name), getattr(stream, name)
        if told != found:
            raise ModelError(
                f"{file.name}: the contract's {name} is {told}, the network's {found}",
                "get the model again, or convert it again with `sernet-edge convert`",
            )
