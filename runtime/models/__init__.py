"""The models in the box, by name; the card of each lies beside it."""

from pathlib import Path

_HERE = Path(__file__).parent

BOX = {
    "voices": _HERE / "voices.tflite",
    "emodb": _HERE / "emodb_light_sernet_int8.tflite",
}
"""Each model's file by the name that commands take for it; see LICENSES.md."""

DEFAULT_MODEL = BOX["voices"]
"""The one that is used where none is named."""
