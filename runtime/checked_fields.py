"""Checks values that were read from a file against the annotations of a dataclass's fields."""

from __future__ import annotations

import math
import reprlib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from sernet_edge.runtime.errors import ContractError

_IN_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
    tuple[str, ...]: "a list of texts",
    tuple[float, ...]: "a list of numbers",
    Mapping[str, Any]: "an object",
}


def check_type(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that is not what an annotation says; numbers must be finite.

        name: The value's name in the error.
        value: The value.
        hint: The annotation: one of those above, or a `Literal`.

    Raises:
        ContractError: The value has another type; names it and what it must be.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        ok = value in arguments
    elif origin is tuple:
        ok = isinstance(value, tuple)
        if ok:
            for index, item in enumerate(value):
                check_type(f"{name}[{index}]", item, arguments[0])
    elif hint is float:
        ok = type(value) in (int, float) and _is_finite(value)
    elif hint in (bool, int, str):
        ok = type(value) is hint
    else:
        ok = isinstance(value, (dict, types.MappingProxyType))
    if not ok:
        wanted = " or ".join(map(repr, arguments)) if origin is Literal else _IN_WORDS[hint]
        # reprlib: a damaged value may be very long.
        raise ContractError(
            f"contract: {name} cannot be {reprlib.repr(value)}; it must be {wanted}"
        )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number larger than every float
        return False
