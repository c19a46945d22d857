"""The number formats of converted models; quick to import."""

from typing import Literal

Precision = Literal["int8", "float32", "float16", "dynamic"]
"""See `quantize.convert_model`."""
