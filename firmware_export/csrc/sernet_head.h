/* Loads another last layer at run time, so that a device can be taught without flashing it.
 *
 * `sernet-edge teach --head FILE` writes the layer as a block of bytes. Define SERNET_HEAD for the
 * whole program, and give the block to `sernet_set_head` (sernet.h). The scores then equal, to the
 * bit, those of an export of the taught model. */
#ifndef SERNET_HEAD_H
#define SERNET_HEAD_H

#include "sernet_contract.h"
#include "sernet_head_model.h"
#include "sernet_model.h"

#if SERNET_HEAD_FEATURES == 0
#error "SERNET_HEAD: the model does not end in a dense layer with softmax"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SERNET_HEAD_VERSION 1

/* The network whose last layer the head replaces: with shared rows, the layers after the mean. */
#ifdef SERNET_MODEL_STRIDE_ROWS
#define SERNET_HEAD_NET (sernet_model.head)
#else
#define SERNET_HEAD_NET (&sernet_model)
#endif

/* Bytes of a block for this model. */
#define SERNET_HEAD_START 52
#define SERNET_HEAD_BYTES                                                                          \
    (SERNET_HEAD_START + SERNET_LABEL_COUNT * (4 + SERNET_HEAD_FEATURES) + 4)

/* The kernels multiply pairs of channels and chunks of weights. */
#define SERNET_HEAD_CHUNK 16
#define SERNET_HEAD_CHANNELS ((SERNET_LABEL_COUNT + 1) / 2 * 2)
#define SERNET_HEAD_CHUNKS ((SERNET_HEAD_FEATURES + SERNET_HEAD_CHUNK - 1) / SERNET_HEAD_CHUNK)

/* The network with another head; the members are private. Do not move it: it points into itself. */
typedef struct {
    uint64_t weights[SERNET_HEAD_CHANNELS * SERNET_HEAD_CHUNKS * SERNET_HEAD_CHUNK / 8];
    sernet_net net;
    sernet_layer layers[SERNET_HEAD_LAYERS];
    int32_t bias[SERNET_HEAD_CHANNELS];
    int32_t multiplier[SERNET_HEAD_CHANNELS];
    int32_t softmax[3];
    int8_t shift[SERNET_HEAD_CHANNELS];
    uint64_t taught; /* identifies the head: the contract's `taught` */
    uint32_t is_set;
} sernet_head;

/* Loads a block for the network `net`, which is SERNET_HEAD_NET. Errors: SERNET_ERROR_NULL, _SIZE,
 * _DAMAGED if the block is damaged or has another version, _MODEL if it is for another model; after
 * an error `head` is unchanged. */
int sernet_head_load(sernet_head *head, const sernet_net *net, const uint8_t *block, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
