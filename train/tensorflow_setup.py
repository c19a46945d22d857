"""Sets TensorFlow up, before it is loaded, to be quiet and to repeat its results to the bit."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

# With more threads, the order of its sums and so the weights differ from run to run, with
# deterministic ops, too. Cores are put to use by training several folds at a time.
_SETTINGS = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


@contextmanager
def quietly() -> Iterator[None]:
    """Discard standard output and standard error, C++ libraries' included, within the block.

    Load TensorFlow, or Keras, in such a block: it logs while it loads, before any of its own
    settings hold. It does so while it converts, too; errors still arrive as exceptions.
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
