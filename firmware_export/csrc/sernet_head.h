/* Another last layer for the network, loaded at run time: a device is taught without flashing.
 *
 * `sernet-edge teach --head FILE` writes a block of bytes that holds the layer. Define SERNET_HEAD
 * for the whole program, and give the block to `sernet_set_head` (sernet.h). The scores are then,
 * to the bit, those of the taught model's own export. */
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

/* The network whose last layer it replaces: where windows share rows, what follows the mean. */
#ifdef SERNET_MODEL_STRIDE_ROWS
#define SERNET_HEAD_NET (sernet_model.head)
#else
#define SERNET_HEAD_NET (&sernet_model)
#endif

/* Bytes of a block for this model. */
#define SERNET_HEAD_START 52
#define SERNET_HEAD_BYTES                                                                          \
    (SERNET_HEAD_START + SERNET_LABEL_COUNT * (4 + SERNET_HEAD_FEATURES) + 4)

/* Channels are multiplied in pairs, weights in chunks. */
#define SERNET_HEAD_CHUNK 16
#define SERNET_HEAD_CHANNELS ((SERNET_LABEL_COUNT + 1) / 2 * 2)
#define SERNET_HEAD_CHUNKS ((SERNET_HEAD_FEATURES + SERNET_HEAD_CHUNK - 1) / SERNET_HEAD_CHUNK)

/* The network with another head; its members are private. It must not be moved. */
typedef struct {
    uint64_t weights[SERNET_HEAD_CHANNELS * SERNET_HEAD_CHUNKS * SERNET_HEAD_CHUNK / 8];
    sernet_net net;
    sernet_layer layers[SERNET_HEAD_LAYERS];
    int32_t bias[SERNET_HEAD_CHANNELS];
    int32_t multiplier[SERNET_HEAD_CHANNELS];
    int32_t softmax[3];
    int8_t shift[SERNET_HEAD_CHANNELS];
    uint64_t taught; /* tells the head: the contract's `taught` */
    uint32_t is_set;
} sernet_head;

/* Takes a block for the network `net`, SERNET_HEAD_NET, or leaves `head` as it was. Errors: SERNET_ERROR_NULL,
 * _SIZE, _DAMAGED when the block is damaged or of another version, _MODEL when it is another
 * model's. */
int sernet_head_load(sernet_head *head, const sernet_net *net, const uint8_t *block, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
