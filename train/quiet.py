"""Keeps what TensorFlow says about itself off the user's terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO


@contextmanager
def quietly() -> Iterator[None]:
    """Discard standard output and standard error, C++ libraries' included, within the block.

    TensorFlow logs while it loads, before any of its own settings hold, and while it
    converts; errors still arrive as exceptions.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as discarded, redirect_stdout(StringIO()):
        os.dup2(discarded.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
