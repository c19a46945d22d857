"""Python reads constants from the C library."""

from __future__ import annotations

import pytest

from sernet_edge.firmware_export.csource import c_constant
from sernet_edge.runtime.frontend import LOG_STEPS


def test_a_macro_has_the_value_that_the_compiler_gives_it() -> None:
    assert c_constant("sernet_conv.c", "CHUNK") == 16


def test_a_macro_that_is_missing_or_has_several_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="ABSENT 0 times"):
        c_constant("sernet_conv.c", "ABSENT")
    with pytest.raises(ValueError, match="PIXELS 3 times"):
        c_constant("sernet_conv.c", "PIXELS")


def test_the_steps_of_logarithms_equal_those_of_the_runtime() -> None:
    assert 1 << c_constant("sernet_frontend.c", "STEP_BITS") == LOG_STEPS
