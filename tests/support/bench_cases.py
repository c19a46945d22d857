"""Helpers for the tests of `sernet-edge bench`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from sernet_edge.runtime.contract import Contract

CONTRACT = Contract(("calm", "angry"), (0.0,), (1.0,), window_frames=24, hop_frames=8)

Document = dict[str, Any]

Shown = Callable[..., "subprocess.CompletedProcess[str]"]
"""The `bench` fixture: takes the command's arguments, returns its output."""
