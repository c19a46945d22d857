"""Names the backend and the processor that Keras computes with, for the records of a run."""

from __future__ import annotations

import platform
from pathlib import Path


def backend_and_processor() -> dict[str, str]:
    """Return the "backend" and the "processor" that Keras uses, in words."""
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
    """Return the processor's name from Linux; on other systems, its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
