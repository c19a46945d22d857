"""Configures TensorFlow before its import: it must be quiet, and repeat its results to the bit."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

# With more threads, the order of TensorFlow's sums differs from run to run, and so do the weights,
# even with deterministic ops. Several folds are trained at a time to use all cores.
_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # TensorFlow turns these faster kernels on by itself only on processors with AVX-512.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


@contextmanager
def quietly() -> Iterator[None]:
    """Discard standard output and standard error within the block, including C++ libraries'.

    Import TensorFlow, or Keras, in such a block: it logs during the import, before its own settings
    apply, and during conversion. Errors still arrive as exceptions.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
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
