"""Emotion from speech, on the device: train, convert, listen, export."""

import os

__version__ = "0.1.0"

_here = os.path.dirname(os.path.abspath(__file__))
if not os.path.isdir(os.path.join(_here, "runtime")):
    # Installed, the stages lie in this folder; in a clone they lie beside it. Python started in
    # the clone's root finds this folder first, however the package is installed, if at all.
    __path__.append(os.path.dirname(_here))
