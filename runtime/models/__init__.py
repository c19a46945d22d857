"""The shipped models, by name; each has its card beside it."""

from pathlib import Path

_HERE = Path(__file__).parent

BOX = {name: _HERE / f"{name}.tflite" for name in ("voices", "voices-full", "emodb", "emodb-half")}
"""The file of each model, by its name on the command line; see LICENSES.md."""

NAMES = {path: name for name, path in BOX.items()}
"""The name of each model's file."""

DEFAULT_MODEL = BOX["voices"]
"""The model that is used if none is named."""
