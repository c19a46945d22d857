"""The models in the box, by name; the card of each lies beside it."""

from pathlib import Path

_HERE = Path(__file__).parent

BOX = {
    "emodb": _HERE / "emodb_light_sernet_int8.tflite",
}
"""Each model's file by the name that commands take for it."""

DEFAULT_MODEL = BOX["emodb"]
"""The one that is used where none is named."""
