"""Code of the device: the contract, the front end, the interpreter and `listen`.

Needs NumPy and the standard library only; an audio device, a resampler or an interpreter is
loaded when it is first needed. The names below are, too: `import sernet_edge.runtime.errors`
loads no NumPy.
"""

import importlib
from typing import TYPE_CHECKING

_MODULE_OF = {
    "AudioError": "errors",
    "Contract": "contract",
    "ContractError": "errors",
    "Event": "records",
    "FeatureStream": "frontend",
    "FrontEnd": "frontend",
    "Listener": "stream",
    "Model": "interpreter",
    "ModelError": "errors",
    "ModelFile": "modelfile",
    "Notice": "records",
    "Result": "records",
    "SernetError": "errors",
    "load": "interpreter",
}

__all__ = list(_MODULE_OF)

if TYPE_CHECKING:  # the same names, for those who read the source instead of running it
    from sernet_edge.runtime.contract import Contract as Contract
    from sernet_edge.runtime.errors import AudioError as AudioError
    from sernet_edge.runtime.errors import ContractError as ContractError
    from sernet_edge.runtime.errors import ModelError as ModelError
    from sernet_edge.runtime.errors import SernetError as SernetError
    from sernet_edge.runtime.frontend import FeatureStream as FeatureStream
    from sernet_edge.runtime.frontend import FrontEnd as FrontEnd
    from sernet_edge.runtime.interpreter import Model as Model
    from sernet_edge.runtime.interpreter import load as load
    from sernet_edge.runtime.modelfile import ModelFile as ModelFile
    from sernet_edge.runtime.records import Event as Event
    from sernet_edge.runtime.records import Notice as Notice
    from sernet_edge.runtime.records import Result as Result
    from sernet_edge.runtime.stream import Listener as Listener
else:

    def __getattr__(name):
        """Load the module of a name that is asked for the first time."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)

    def __dir__():
        """Return the names, loaded or not."""
        return [*globals(), *__all__]
