/* One step of pools, reductions and SOFTMAX. */
#include "sernet_kernels.h"

#include <string.h>

/* Adds a value to each of as many sums. */
SERNET_INLINE void add_values(int32_t *sums, const int8_t *in, uint32_t count) {
#ifdef SERNET_HELIUM
    for (; count >= 4; count -= 4, in += 4, sums += 4)
        vst1q_s32(sums, vaddq_s32(vld1q_s32(sums), vldrbq_s32(in)));
#endif
    for (; count > 0; count--) *sums++ += *in++;
}

/* Rounded mean of four rows of values. */
static void mean_of_4(const int8_t *const in[4], int8_t *out, uint32_t count) {
    uint32_t i = 0;
#ifdef SERNET_HELIUM
    for (; i + 8 <= count; i += 8) {
        int16x8_t sum = vaddq_s16(vldrbq_s16(in[0] + i), vldrbq_s16(in[1] + i));
        sum = vaddq_s16(sum, vaddq_s16(vldrbq_s16(in[2] + i), vldrbq_s16(in[3] + i)));
        sum = vaddq_s16(sum, vshrq_n_s16(sum, 15));
        vstrbq_s16(out + i, vrshrq_n_s16(sum, 2));
    }
#endif
    for (; i < count; i++) {
        const int32_t sum = in[0][i] + in[1][i] + in[2][i] + in[3][i];
        out[i] = (int8_t)((sum + 2 + (sum >> 31)) >> 2); /* halves away from zero */
    }
}

/* Kernels of up to 2 x 2. Where one has fewer taps, at an edge, each counts more than once. */
void sernet_average_pool_2x2(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    const sernet_taps ty = sernet_taps_at(s->step, layer->stride_height, layer->pad_top, layer->kernel_height,
                            source->height);
    const int8_t *upper = sernet_row(source, s->arena, (uint32_t)(ty.origin + ty.from));
    const int8_t *lower =
        sernet_row(source, s->arena, (uint32_t)(ty.origin + (ty.to - 1) * layer->dilation_height));
    for (uint32_t x = 0; x < layer->width; x++, out += channels) {
        const sernet_taps tx =
            sernet_taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width, source->width);
        const uint32_t left = (uint32_t)(tx.origin + tx.from) * channels;
        const uint32_t right = (uint32_t)(tx.origin + tx.to - 1) * channels;
        const int8_t *const in[4] = {upper + left, upper + right, lower + left, lower + right};
        mean_of_4(in, out, channels);
    }
}

/* Mean of what was summed up, halves away from zero. */
static int8_t rounded_mean(const sernet_layer *layer, int32_t sum, int32_t count) {
    return (int8_t)sernet_clamp((sum + (sum > 0 ? count / 2 : -(count / 2))) / count, layer->low,
                                layer->high);
}

void sernet_average_pool(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    const sernet_taps ty = sernet_taps_at(s->step, layer->stride_height, layer->pad_top, layer->kernel_height,
                            source->height);
    for (uint32_t x = 0; x < layer->width; x++) {
        const sernet_taps tx =
            sernet_taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width, source->width);
        const int32_t count = (ty.to - ty.from) * (tx.to - tx.from);
        memset(sums, 0, channels * sizeof *sums);
        for (int32_t y = ty.from; y < ty.to; y++) {
            const uint32_t row = (uint32_t)(ty.origin + y * layer->dilation_height);
            const int8_t *in = sernet_row(source, s->arena, row) +
                               (uint32_t)(tx.origin + tx.from) * channels;
            for (int32_t k = tx.from; k < tx.to; k++, in += channels)
                add_values(sums, in, channels);
        }
        for (uint32_t c = 0; c < channels; c++) *out++ = rounded_mean(layer, sums[c], count);
    }
}

void sernet_average_pool_rows(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels, part = s->step % layer->join;
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    int8_t *out = sernet_row(layer, s->arena, s->step / layer->join);
    const int8_t *row = sernet_row(source, s->arena, s->step);
    if (part == 0) memset(sums, 0, layer->width * channels * sizeof *sums);
    for (uint32_t x = 0; x < layer->width; x++, sums += channels, out += channels) {
        const sernet_taps tx =
            sernet_taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width, source->width);
        const int8_t *in = row + (uint32_t)(tx.origin + tx.from) * channels;
        for (int32_t k = tx.from; k < tx.to; k++, in += channels) add_values(sums, in, channels);
        if (part + 1u == layer->join)
            for (uint32_t c = 0; c < channels; c++)
                out[c] = rounded_mean(layer, sums[c], layer->join * (tx.to - tx.from));
    }
}

void sernet_max_pool(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    const sernet_taps ty = sernet_taps_at(s->step, layer->stride_height, layer->pad_top, layer->kernel_height,
                            source->height);
    for (uint32_t x = 0; x < layer->width; x++, out += channels) {
        const sernet_taps tx =
            sernet_taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width, source->width);
        memset(out, layer->low, channels);
        for (int32_t y = ty.from; y < ty.to; y++) {
            const uint32_t row = (uint32_t)(ty.origin + y * layer->dilation_height);
            const int8_t *in = sernet_row(source, s->arena, row) +
                               (uint32_t)(tx.origin + tx.from) * channels;
            for (int32_t k = tx.from; k < tx.to; k++)
                for (uint32_t c = 0; c < channels; c++, in++)
                    if (*in > out[c]) out[c] = *in;
        }
        for (uint32_t c = 0; c < channels; c++)
            if (out[c] > layer->high) out[c] = layer->high;
    }
}

void sernet_max_pool_rows(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels, part = s->step % layer->join;
    int8_t *out = sernet_row(layer, s->arena, s->step / layer->join);
    const int8_t *row = sernet_row(source, s->arena, s->step);
    if (part == 0) memset(out, layer->low, layer->width * channels);
    for (uint32_t x = 0; x < layer->width; x++, out += channels) {
        const sernet_taps tx =
            sernet_taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width, source->width);
        const int8_t *in = row + (uint32_t)(tx.origin + tx.from) * channels;
        for (int32_t k = tx.from; k < tx.to; k++)
            for (uint32_t c = 0; c < channels; c++, in++)
                if (*in > out[c]) out[c] = *in < layer->high ? *in : layer->high;
    }
}

/* bias: what to subtract from a sum; multiplier and shift, 1/n included. */
void sernet_mean(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t *p = layer->bias;
    const uint32_t part = s->step % layer->join, count = (uint32_t)layer->width * layer->channels;
    const uint32_t repeats = layer->over_width ? source->width : 1;
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    const int8_t *in = sernet_row(source, s->arena, s->step);
    if (part == 0) memset(sums, 0, count * sizeof *sums);
    for (uint32_t x = 0; x < repeats; x++, in += count) add_values(sums, in, count);
    if (part + 1u < layer->join) return;
    int8_t *out = sernet_row(layer, s->arena, s->step / layer->join);
    for (uint32_t c = 0; c < count; c++) {
        const int32_t v = sernet_rescale(sums[c] - p[0], p[1], p[2]) + layer->zero_point;
        out[c] = (int8_t)sernet_clamp(v, -128, 127);
    }
}

void sernet_reduce_max(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t count = (uint32_t)layer->width * layer->channels;
    const uint32_t repeats = layer->over_width ? source->width : 1;
    const int8_t *in = sernet_row(source, s->arena, s->step);
    int8_t *out = sernet_row(layer, s->arena, s->step / layer->join);
    if (s->step % layer->join == 0) memset(out, -128, count);
    for (uint32_t x = 0; x < repeats; x++)
        for (uint32_t c = 0; c < count; c++, in++)
            if (*in > out[c]) out[c] = *in;
}

/* Makes int16 (channels), which width 2 makes room for: sums over the width of a row. */
void sernet_row_sums(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t count = layer->channels, repeats = (uint32_t)source->width * source->channels / count;
    int16_t *sums = (int16_t *)(void *)sernet_row(layer, s->arena, s->step);
    const int8_t *in = sernet_row(source, s->arena, s->step);
    memset(sums, 0, count * sizeof *sums);
    for (uint32_t x = 0; x < repeats; x++)
        for (uint32_t c = 0; c < count; c++) sums[c] = (int16_t)(sums[c] + *in++);
}

/* Fixed-point numbers below are named after their integer bits: q0 is Q0.31, q5 is Q5.26. */

static int32_t saturating_left(int32_t x, int bits) {
    const int32_t limit = INT32_MAX >> bits;
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : x * (1 << bits);
}

/* exp(x) in q0 of x <= 0 in q5, as gemmlowp's exp_on_negative_values. */
static int32_t exp_q0(int32_t x_q5) {
    /* exp(-1/4), exp(-1/2), exp(-1), ..., exp(-16). */
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    const int32_t quarter = 1 << 24;
    const int32_t part_q5 = (x_q5 & (quarter - 1)) - quarter; /* -1/4 <= part < 0 */
    uint32_t rest = (uint32_t)part_q5 - (uint32_t)x_q5;
    if (x_q5 == 0) return INT32_MAX;
    /* A Taylor series around -1/8. */
    const int32_t x = part_q5 * (1 << 5) + (1 << 28);
    const int32_t x2 = sernet_high(x, x), x3 = sernet_high(x2, x), x4 = sernet_high(x2, x2);
    const int32_t sum = sernet_high(sernet_round_shift(x4, 2) + x3, 715827883) + x2;
    const int32_t eighth = 1895147668; /* exp(-1/8) */
    int32_t result = eighth + sernet_high(eighth, x + sernet_round_shift(sum, 1));
    rest >>= 24;
    for (uint32_t i = 0; i < sizeof factors / sizeof *factors; i++, rest >>= 1)
        if (rest & 1u) result = sernet_high(result, factors[i]);
    return result;
}

/* 1 / (1 + x) in q0 of 0 <= x < 1 in q0, as gemmlowp's one_over_one_plus_x_for_x_in_0_1. */
static int32_t reciprocal_q0(int32_t x_q0) {
    const int32_t half = (int32_t)(((int64_t)x_q0 + INT32_MAX + 1) / 2);
    /* Newton-Raphson from 48/17 - 32/17 * half, in q2. */
    int32_t x_q2 = 1515870810 + sernet_high(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        const int32_t error = (1 << 29) - sernet_high(half, x_q2);
        x_q2 += saturating_left(sernet_high(x_q2, error), 2);
    }
    return saturating_left(x_q2, 1);
}

/* exp of a difference of two inputs; multiplier and left shift turn it into q5. */
static int32_t exp_of(int32_t difference, int32_t multiplier, int32_t shift) {
    return exp_q0(sernet_high((int32_t)((uint32_t)difference << shift), multiplier));
}

/* bias: multiplier and left shift for `exp_of`, and the least difference that counts. */
void sernet_softmax(const sernet_step *s) {
    const int32_t *p = s->layer->bias;
    const uint32_t channels = s->layer->channels;
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t x = 0; x < s->layer->width; x++, in += channels, out += channels) {
        int32_t most = -128, sum_q12 = 0;
        for (uint32_t c = 0; c < channels; c++)
            if (in[c] > most) most = in[c];
        for (uint32_t c = 0; c < channels; c++)
            if (in[c] - most >= p[2])
                sum_q12 += sernet_round_shift(exp_of(in[c] - most, p[0], p[1]), 12);
        int headroom = 1; /* so that sum << headroom has its leading one at bit 31, less it */
        while (((uint32_t)sum_q12 << headroom & 0x80000000u) == 0) headroom++;
        const int32_t scale =
            reciprocal_q0((int32_t)(((uint32_t)sum_q12 << headroom) - 0x80000000u));
        for (uint32_t c = 0; c < channels; c++) {
            int32_t score = 0;
            if (in[c] - most >= p[2]) {
                const int32_t e = exp_of(in[c] - most, p[0], p[1]);
                score = sernet_round_shift(sernet_high(scale, e), 12 - headroom + 23);
            }
            out[c] = (int8_t)sernet_clamp(score - 128, -128, 127);
        }
    }
}
