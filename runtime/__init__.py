"""The code that runs on the device: the contract, the front end, the interpreter and `listen`.

It needs NumPy and the standard library only. Packages for audio devices, resampling and
interpreters are imported at their first use, and so are the names below:
`import sernet_edge.runtime.errors` does not import NumPy.
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

if TYPE_CHECKING:  # the same names, for editors and type checkers, which don't run this file
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
        """Import a name's module when the name is first used."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)

    def __dir__():
        """Return the names, loaded or not."""
        return [*globals(), *__all__]
