"""A model that was read and planned: what exporting and measuring the native engine start from."""

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
        plan: How they run row by row in a whole window.
        stream: How they run on a stream, each row once; None: each window is computed whole.
        reason: Why windows are computed whole, or how they share rows; a sentence without its
            full stop.
        hop_frames: Frames from one window to the next, unless C is compiled for others; 0 without a
            contract.
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
            external: If its weights will lie in a memory outside the chip.
            hop_frames: Of a model with a contract: frames from one window to the next. None: the
                contract's.

        Raises:
            ModelError: The file is damaged, beyond the native engine, or of a network whose
                windows do not share rows as its contract says.
            ContractError: Windows at that hop share no rows as the contract says.
        """
        network = read_network(file)
        hop_frames = _hop(file.contract, hop_frames)
        if file.contract is not None and network.state_bytes:
            raise ModelError(
                f"{file.name}: the network keeps a state from one window to the next, and a "
                "contract's windows overlap",
                "take the contract off, and export the network alone",
            )
        # The front end's spectrum lies where the network has its working memory.
        spectrum_bytes = 0 if file.contract is None else bins_bytes(file.contract)
        stream, reason = _stream(file, network, spectrum_bytes, external, hop_frames)
        plan = plan_network(network, spectrum_bytes, external)
        return PlannedModel(file, network, plan, stream, reason, hop_frames)

    @property
    def state_bytes(self) -> int:
        """Size of the network's state, bytes."""
        return state_bytes(self.stream.body if self.stream else self.plan)


def _hop(contract: Contract | None, hop_frames: int | None) -> int:
    if contract is None:
        return 0
    # The contract knows which hops are possible.
    return (contract if hop_frames is None else contract.replace(hop_frames=hop_frames)).hop_frames


def _stream(
    file: ModelFile,
    network: Network,
    spectrum_bytes: int,
    external: External | None,
    hop_frames: int,
) -> tuple[Stream | None, str]:
    """Return how a network runs on a stream, or None, and why."""
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
    """Refuse a contract that says other things of the rows than the network has."""
    for name in ("stride_frames", "receptive_frames", "window_frames"):
        told, found = getattr(contract, name), getattr(stream, name)
        if told != found:
            raise ModelError(
                f"{file.name}: the contract's {name} is {told}, the network's {found}",
                "get the model again, or convert it again with `sernet-edge convert`",
            )
