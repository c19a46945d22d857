"""The model that ships, used when none is named; its card lies beside it."""

from pathlib import Path

DEFAULT_MODEL = Path(__file__).with_name("emodb_light_sernet_int8.tflite")
