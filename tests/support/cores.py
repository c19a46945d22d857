"""The cores that tests compile for and run on, under QEMU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from sernet_edge.firmware_export.cores import CORES

M4 = CORES["m4"]
needs_m4 = pytest.mark.skipif(bool(M4.missing), reason=f"{' and '.join(M4.missing)} not installed")


def on_cores(names: Iterable[str] = CORES) -> list[Any]:
    """Return names of cores as a test's parameters; all but the M4 get the marker `cores`."""
    return [on_core(name) for name in names]


def on_core(name: str, *others: object) -> Any:
    """Return a test's parameters; the first one of each case is a core."""
    marks = () if name == "m4" else (pytest.mark.cores,)
    return pytest.param(name, *others, marks=marks, id="-".join(map(str, (name, *others))))
