"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sernet_edge.runtime.models import DEFAULT_MODEL


@pytest.fixture(scope="session")
def emodb() -> Path:
    """The folder of EMO-DB, which holds `wav/`; not part of this project."""
    folder = os.environ.get("SERNET_EMODB")
    if not folder:
        pytest.skip("SERNET_EMODB does not name a folder with EMO-DB")
    assert (Path(folder) / "wav").is_dir(), f"SERNET_EMODB={folder} has no folder wav"
    return Path(folder)


@pytest.fixture(scope="session")
def shipped_model() -> Path:
    """The int8 model in the package."""
    return DEFAULT_MODEL
