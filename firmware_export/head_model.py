"""Emits sernet_head_model.h: facts of the model that csrc/sernet_head.c needs to load a head."""

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
        planned: The model. With shared rows, the head consists of the layers after the mean.
    """
    features = identity = 0
    # A model that `teach` refuses can still be exported.
    with suppress(ModelError):
        features, identity = HeadPlace(planned.file).features, model_id(planned.file)
    plan = planned.stream.head if planned.stream else planned.plan
    return f"""\
{banner()}\
#ifndef SERNET_HEAD_MODEL_H
#define SERNET_HEAD_MODEL_H

/* Inputs of the last dense layer; 0: the model has no dense layer that could be replaced. */
#define SERNET_HEAD_FEATURES {features}

/* Layers of SERNET_HEAD_NET, including the input. */
#define SERNET_HEAD_LAYERS {len(plan.stages)}

/* Equal in models that differ only in the last dense layer. */
#define SERNET_HEAD_MODEL_U64 0x{identity:016x}ULL

#endif
"""
