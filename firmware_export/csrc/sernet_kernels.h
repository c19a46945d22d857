/* Private to the engine: functions that its kernels share. */
#ifndef SERNET_KERNELS_H
#define SERNET_KERNELS_H

#include "sernet_engine.h"

#ifdef SERNET_HELIUM
#include <arm_mve.h>
#endif
#ifdef SERNET_DSP
#include <arm_acle.h>
#endif

/* For functions that are faster inline although they are large or called twice. */
#ifdef __GNUC__
#define SERNET_INLINE static inline __attribute__((always_inline))
#else
#define SERNET_INLINE static inline
#endif

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

/* The high half of 2ab, halves rounded up. a and b must not both be INT32_MIN. */
static inline int32_t sernet_high(int32_t a, int32_t b) {
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* x / 2^exponent, halves rounded away from zero; exponent 0..31. */
static inline int32_t sernet_round_shift(int32_t x, int exponent) {
    const int32_t mask = (int32_t)((1u << exponent) - 1u);
    const int32_t threshold = (mask >> 1) + (x < 0);
    return (x >> exponent) + ((x & mask) > threshold);
}

/* x * multiplier / 2^31 * 2^shift, rounded twice like in TensorFlow Lite. */
static inline int32_t sernet_rescale(int32_t x, int32_t multiplier, int shift) {
    const int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    /* Unsigned, because the interpreter's product wraps. */
    const int32_t shifted = (int32_t)((uint32_t)x << left);
    return sernet_round_shift(sernet_high(shifted, multiplier), right);
}

#ifdef SERNET_HELIUM

/* `sernet_rescale` of four sums; then adds the zero point and applies the limits. */
typedef struct {
    int32x4_t multiplier, to_left, to_right, low, high;
    int32_t zero_point;
} sernet_rescaling;

static inline int32x4_t sernet_rescaled(const sernet_rescaling *r, int32x4_t v) {
    v = vqrdmulhq_s32(vshlq_s32(v, r->to_left), r->multiplier);
    /* VRSHL rounds halves up; after subtracting one from a negative number, away from zero. */
    v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, r->to_right), 31));
    v = vaddq_n_s32(vrshlq_s32(v, r->to_right), r->zero_point);
    return vminq_s32(vmaxq_s32(v, r->low), r->high);
}

#else

/* `sernet_rescale` of a sum below 2^30 with a right shift: the same bits in fewer instructions.
 *
 *     offset (1) the zero point and a half, before the shift */
static inline int32_t sernet_quick_rescale(int32_t sum, int32_t multiplier, int right, int32_t offset) {
#ifdef SERNET_DSP
    int32_t v;
    __asm("smmulr %0, %1, %2" : "=r"(v) : "r"(sum * 2), "r"(multiplier));
#else
    const int32_t v = sernet_high(sum, multiplier);
#endif
    return (v + offset + (v >> 31)) >> right;
}

static inline int8_t sernet_saturated(int32_t v) {
#ifdef SERNET_DSP
    /* __ssat does the same, but with an implicit conversion of the sign. */
    return (int8_t)__builtin_arm_ssat(v, 8);
#else
    return (int8_t)sernet_clamp(v, -128, 127);
#endif
}

#endif

/* The taps of a kernel, along one axis, that lie inside the input: from..to-1. */
typedef struct {
    int32_t origin; /* the kernel's place, in input positions */
    int32_t from, to;
} sernet_taps;

/* The taps of a kernel without dilation. */
static inline sernet_taps sernet_taps_at(uint32_t position, uint32_t stride, uint32_t pad,
                                         uint32_t kernel, uint32_t size) {
    sernet_taps t;
    t.origin = (int32_t)(position * stride) - (int32_t)pad;
    t.from = t.origin < 0 ? -t.origin : 0;
    t.to = (int32_t)size - t.origin;
    if (t.to > (int32_t)kernel) t.to = (int32_t)kernel;
    return t;
}

#endif
