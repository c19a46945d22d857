"""Emotion from speech, on the device: train, convert, listen, export."""

from pathlib import Path as _Path

__version__ = "0.1.0"

_here = _Path(__file__).parent
if not (_here / "runtime").is_dir():
    # Installed, the stages lie in this folder; in a clone they lie beside it. Python started in
    # the clone's root finds this folder first, however the package is installed, if at all.
    __path__.append(str(_here.parent))
