"""What runs on the device: the contract, the front end, the interpreter and `listen`.

Imports NumPy and the standard library only; an audio device, a resampler or an
interpreter is loaded when it is first needed.
"""

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import AudioError, ContractError, ModelError, SernetError
from sernet_edge.runtime.frontend import FeatureStream, FrontEnd
from sernet_edge.runtime.interpreter import Model, load
from sernet_edge.runtime.stream import Listener, Result

__all__ = [
    "AudioError",
    "Contract",
    "ContractError",
    "FeatureStream",
    "FrontEnd",
    "Listener",
    "Model",
    "ModelError",
    "Result",
    "SernetError",
    "load",
]
