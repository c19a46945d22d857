"""The number formats that a model can be converted to; light to import."""

from typing import Literal

Precision = Literal["int8", "float32", "float16", "dynamic"]
"""See `quantize.convert_model`."""
