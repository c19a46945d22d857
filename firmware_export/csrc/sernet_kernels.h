/* Private to the engine: what its kernels share. */
#ifndef SERNET_KERNELS_H
#define SERNET_KERNELS_H

#include "sernet_engine.h"

static inline int8_t *sernet_row(const sernet_layer *layer, int8_t *arena, uint32_t row) {
    const uint32_t row_bytes = (uint32_t)layer->width * layer->channels;
    return arena + layer->ring_offset + row % layer->ring_rows * row_bytes;
}

static inline const sernet_layer *sernet_input(const sernet_step *s, uint32_t index) {
    return &s->layers[s->layer->inputs[index]];
}

static inline int32_t sernet_clamp(int32_t x, int32_t low, int32_t high) {
    return x < low ? low : x > high ? high : x;
}

/* The high half of 2ab, halves rounded up. Both factors are never INT32_MIN. */
static inline int32_t sernet_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent, halves rounded away from zero; exponent 0..31. */
static inline int32_t sernet_round_shift(int32_t x, int exponent) {
    const int32_t mask = (int32_t)((1u << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier / 2^31 * 2^shift, rounded twice as TensorFlow Lite does. */
static inline int32_t sernet_rescale(int32_t x, int32_t multiplier, int shift) {
    const int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    /* Unsigned, because the interpreter's product wraps. */
    const int32_t shifted = (int32_t)((uint32_t)x << left);
    return sernet_round_shift(sernet_high(shifted, multiplier), right);
}

#endif
