"""Settles, before TensorFlow is loaded, that it is quiet and repeats itself to the bit."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

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


def backend_and_processor() -> dict[str, str]:
    """Say what Keras computes with, for the records of a run: "backend" and "processor"."""
    import keras

    backend = keras.backend.backend()
    accelerator = None
    if backend == "tensorflow":
        import tensorflow

        if gpus := tensorflow.config.list_physical_devices("GPU"):
            details = tensorflow.config.experimental.get_device_details(gpus[0])
            accelerator = details.get("device_name", "GPU")
    elif backend == "jax":
        import jax

        if jax.default_backend() != "cpu":
            accelerator = jax.devices()[0].device_kind
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            accelerator = torch.cuda.get_device_name()
    return {
        "backend": f"keras {keras.__version__} on {backend}",
        "processor": accelerator or processor(),
    }


def processor() -> str:
    """Return this computer's processor's name as Linux has it, elsewhere its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
