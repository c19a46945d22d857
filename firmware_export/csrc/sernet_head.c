#include "sernet.h"

#ifdef SERNET_HEAD

#include <string.h>

#include "sernet_crc32.h"

/* Offsets of the numbers in a block; sernet-edge's runtime/teach/head_block.py describes them. */
enum {
    AT_VERSION = 4,
    AT_LABELS = 6,
    AT_FEATURES = 8,
    AT_MODEL = 12,
    AT_TAUGHT = 20,
    AT_MULTIPLIER = 28,
    AT_SHIFT = 32,
    AT_ZERO_POINT = 36,
    AT_SOFTMAX = 40
};

static uint64_t get(const uint8_t *at, uint32_t bytes) {
    uint64_t value = 0;
    while (bytes-- > 0) value = value << 8 | at[bytes];
    return value;
}

static int32_t get_int32(const uint8_t *at) {
    const int64_t value = (int64_t)get(at, 4);
    return (int32_t)(value <= INT32_MAX ? value : value - ((int64_t)1 << 32));
}

static int8_t get_int8(const uint8_t *at) {
    return (int8_t)(*at < 128 ? *at : (int32_t)*at - 256);
}

static const uint8_t *bias_of(const uint8_t *block, uint32_t label) {
    return block + SERNET_HEAD_START + 4 * label;
}

static const uint8_t *weights_of(const uint8_t *block, uint32_t label) {
    return block + SERNET_HEAD_START + 4 * SERNET_LABEL_COUNT + label * SERNET_HEAD_FEATURES;
}

/* Returns the largest possible absolute value of a label's sum. */
static int64_t largest_sum(const uint8_t *block) {
    int64_t most = 0;
    for (uint32_t label = 0; label < SERNET_LABEL_COUNT; label++) {
        const int64_t bias = get_int32(bias_of(block, label));
        int64_t sum = bias < 0 ? -bias : bias;
        const uint8_t *weights = weights_of(block, label);
        for (uint32_t k = 0; k < SERNET_HEAD_FEATURES; k++) {
            const int32_t weight = get_int8(weights + k);
            sum += 128 * (weight < 0 ? -weight : weight);
        }
        if (sum > most) most = sum;
    }
    return most;
}

/* Whether the numbers are in their ranges, so that no arithmetic overflows. */
static int is_sound(const uint8_t *block) {
    const int32_t shift = get_int32(block + AT_SHIFT), zero = get_int32(block + AT_ZERO_POINT);
    const int32_t left = get_int32(block + AT_SOFTMAX + 4);
    const int32_t least = get_int32(block + AT_SOFTMAX + 8);
    return get_int32(block + AT_MULTIPLIER) >= 0 && shift >= -31 && shift <= 30 && zero >= -128 &&
           zero <= 127 && get_int32(block + AT_SOFTMAX) >= 0 && left >= 0 && left <= 30 &&
           least <= 0 && least >= -((31 << 26) >> left) && largest_sum(block) < INT32_MAX;
}

/* Whether the network ends in a dense layer and a softmax with the block's sizes. */
static int fits(const sernet_net *net) {
    if (net->layer_count != SERNET_HEAD_LAYERS) return 0;
    const sernet_layer *last = &net->layers[net->layer_count - 1];
    if (last->run != sernet_softmax) return 0;
    const sernet_layer *dense = &net->layers[last->inputs[0]];
    return dense->run == sernet_conv && dense->channels == SERNET_LABEL_COUNT;
}

/* Whether a label that is first in its pair has a weight of -128. */
static int has_least_weight(const uint8_t *block) {
    for (uint32_t label = 0; label < SERNET_LABEL_COUNT; label += 2)
        for (uint32_t k = 0; k < SERNET_HEAD_FEATURES; k++)
            if (weights_of(block, label)[k] == 0x80) return 1;
    return 0;
}

/* Puts the weights in the order of this core's kernel; see SERNET_WEIGHTS. */
static void pack(const uint8_t *block, int8_t *packed) {
    for (uint32_t label = 0; label < SERNET_LABEL_COUNT; label += 2) {
        const uint8_t *first = weights_of(block, label), *second = weights_of(block, label + 1);
        for (uint32_t k = 0; k < SERNET_HEAD_FEATURES; k++) {
            const uint32_t chunk = k / SERNET_HEAD_CHUNK, in_chunk = k % SERNET_HEAD_CHUNK;
            const int8_t a = get_int8(first + k);
            const int8_t b = label + 1 < SERNET_LABEL_COUNT ? get_int8(second + k) : 0;
            int8_t *at = packed + (label / 2 * SERNET_HEAD_CHUNKS + chunk) * 2 * SERNET_HEAD_CHUNK;
#if defined(SERNET_HELIUM)
            at[in_chunk] = a;
            at[in_chunk + SERNET_HEAD_CHUNK] = b;
#elif defined(SERNET_DSP)
            at += in_chunk / 4 * 8 + (in_chunk % 2 * 2 + in_chunk % 4 / 2) * 2;
            at[0] = b;
            at[1] = (int8_t)SERNET_HIGH_BYTE(a, b);
#else
            at += in_chunk / 4 * 8 + in_chunk % 4;
            at[0] = a;
            at[4] = b;
#endif
        }
    }
}

int sernet_head_load(sernet_head *head, const sernet_net *net, const uint8_t *block, size_t bytes) {
    if (head == NULL || net == NULL || block == NULL) return SERNET_ERROR_NULL;
    if (bytes < SERNET_HEAD_START) return SERNET_ERROR_SIZE;
    if (memcmp(block, "SEHD", 4) != 0 || get(block + AT_VERSION, 2) != SERNET_HEAD_VERSION)
        return SERNET_ERROR_DAMAGED;
    if (sernet_crc32(block, bytes - 4) != get(block + bytes - 4, 4)) return SERNET_ERROR_DAMAGED;
    if (get(block + AT_MODEL, 8) != SERNET_HEAD_MODEL_U64 || !fits(net)) return SERNET_ERROR_MODEL;
    if (bytes != SERNET_HEAD_BYTES || get(block + AT_LABELS, 2) != SERNET_LABEL_COUNT ||
        get(block + AT_FEATURES, 4) != SERNET_HEAD_FEATURES)
        return SERNET_ERROR_SIZE;
    if (!is_sound(block)) return SERNET_ERROR_DAMAGED;

    memset(head, 0, sizeof *head);
    const int32_t shift = get_int32(block + AT_SHIFT);
    for (uint32_t label = 0; label < SERNET_LABEL_COUNT; label++) {
        head->bias[label] = get_int32(bias_of(block, label));
        head->multiplier[label] = get_int32(block + AT_MULTIPLIER);
        head->shift[label] = (int8_t)shift;
    }
    for (uint32_t i = 0; i < 3; i++) head->softmax[i] = get_int32(block + AT_SOFTMAX + 4 * i);
    pack(block, (int8_t *)head->weights);

    memcpy(head->layers, net->layers, sizeof head->layers);
    sernet_layer *last = &head->layers[SERNET_HEAD_LAYERS - 1];
    sernet_layer *dense = &head->layers[last->inputs[0]];
    last->bias = head->softmax;
    dense->weights = (const int8_t *)head->weights;
    dense->bias = head->bias;
    dense->multiplier = head->multiplier;
    dense->shift = head->shift;
    dense->zero_point = (int8_t)get_int32(block + AT_ZERO_POINT);
    dense->part_groups = has_least_weight(block) ? 0 : 128;
    dense->low = -128;
    dense->high = 127;
    dense->quick = largest_sum(block) < (1 << 30) && shift >= -22 && shift < 0;
    head->net = *net;
    head->net.layers = head->layers;
    head->taught = get(block + AT_TAUGHT, 8);
    head->is_set = 1;
    return SERNET_OK;
}

#endif
