"""Loads a Keras model that `sernet-edge train` wrote."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

from sernet_edge.runtime.contract import Contract
from sernet_edge.runtime.errors import ContractError, ModelError, SernetError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def load_saved(path: Path, contract: Contract) -> Any:
    """Load a `keras.Model`, and check its shapes against its contract.

    Raises:
        SernetError: The disk with the temporary files is full.
        ModelError: Keras cannot load it.
        ContractError: Its input or output has another shape than the contract says.
    """
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # depending on the damage, Keras raises any exception
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise SernetError(
                f"cannot unpack {path}: {os.strerror(error.errno)}",
                "make room, or let TMPDIR name a folder with room",
            ) from error
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(
            f"{path}: Keras cannot load it: {reason}", "train the model again"
        ) from error
    expected = (
        (None, contract.window_frames, contract.feature_count, 1),
        (None, len(contract.labels)),
    )
    # A model may accept windows of any length.
    any_length = ((None, None, contract.feature_count, 1), expected[1])
    if (found := (model.input_shape, model.output_shape)) not in (expected, any_length):
        raise ContractError(
            f"{path}: the contract asks for shapes {expected[0]} and {expected[1]}, "
            f"the model has {found[0]} and {found[1]}",
            "train the model again with `sernet-edge train`",
        )
    return model
