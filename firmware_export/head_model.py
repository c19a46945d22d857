"""What a firmware has to know of its model to load another head: see csrc/sernet_head.h."""

from __future__ import annotations

from contextlib import suppress

from sernet_edge.firmware_export.emit import banner
from sernet_edge.firmware_export.planned import PlannedModel
from sernet_edge.runtime.errors import ModelError
from sernet_edge.runtime.teach.head import HeadPlace
from sernet_edge.runtime.teach.head_block import model_id


def head_model_header(planned: PlannedModel) -> str:
    """Return sernet_head_model.h.

    Args:
        planned: The model. Where its windows share rows, the head is what follows the mean.
    """
    features = identity = 0
    # A model that cannot be taught can be exported all the same.
    with suppress(ModelError):
        features, identity = HeadPlace(planned.file).features, model_id(planned.file)
    plan = planned.stream.head if planned.stream else planned.plan
    return f"""\
{banner()}\
#ifndef SERNET_HEAD_MODEL_H
#define SERNET_HEAD_MODEL_H

/* What the last dense layer reads; 0: the model has none that could be replaced. */
#define SERNET_HEAD_FEATURES {features}

/* Layers of SERNET_HEAD_NET, the input's included. */
#define SERNET_HEAD_LAYERS {len(plan.stages)}

/* The same in models that differ in nothing but the last dense layer. */
#define SERNET_HEAD_MODEL_U64 0x{identity:016x}ULL

#endif
"""
