/* One step of pools, reductions, SOFTMAX, LOG_SOFTMAX and BATCH_MATMUL. */
#include "sernet_kernels.h"

#include <string.h>

/* Adds `count` values to as many sums. */
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

/* For kernels up to 2 x 2. At an edge, where a kernel has fewer taps, taps count more than once. */
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

/* The mean of `count` values with a sum, halves away from zero. */
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

/* bias: the number to subtract from a sum; multiplier and shift, which include 1/n. */
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

/* Makes the sums over the width of a row, int16 (channels); width 2 gives them two bytes each. */
void sernet_row_sums(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t count = layer->channels, repeats = (uint32_t)source->width * source->channels / count;
    int16_t *sums = (int16_t *)(void *)sernet_row(layer, s->arena, s->step);
    const int8_t *in = sernet_row(source, s->arena, s->step);
    memset(sums, 0, count * sizeof *sums);
    for (uint32_t x = 0; x < repeats; x++)
        for (uint32_t c = 0; c < count; c++) sums[c] = (int16_t)(sums[c] + *in++);
}

/* The names of fixed-point numbers below end in their integer bits: q0 is Q0.31, q5 is Q5.26. */

static int32_t saturating_left(int32_t x, int bits) {
    const int32_t limit = INT32_MAX >> bits;
    return x > limit ? INT32_MAX : x < -limit ? INT32_MIN : x * (1 << bits);
}

/* exp(x) in q0, for x <= 0 in q5, like gemmlowp's exp_on_negative_values. */
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

/* 1 / (1 + x) in q0, for 0 <= x < 1 in q0, like gemmlowp's one_over_one_plus_x_for_x_in_0_1. */
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

/* exp of a difference of two inputs; multiplier and left shift turn the difference into q5. */
static int32_t exp_of(int32_t difference, int32_t multiplier, int32_t shift) {
    return exp_q0(sernet_high((int32_t)((uint32_t)difference << shift), multiplier));
}

/* The number of leading zero bits of x > 0. */
static int leading_zeros(uint32_t x) {
    int count = 0;
    while ((x << count & 0x80000000u) == 0) count++;
    return count;
}

/* log(x) in q5, for x >= 1 in q12, like gemmlowp's and TensorFlow Lite's log_x_for_x_greater_than_
 * or_equal_to_1. x = 2^power * r; there are two ways to split x, and the one with the smaller r,
 * near the fourth root of 1/2, counts. */
static int32_t log_q5(int32_t x_q12) {
    const int32_t root = 1518500250, center = 1805811301, quarter_q6 = 1 << 23;
    const int zeros = leading_zeros((uint32_t)x_q12);
    const int32_t rooted = sernet_high(x_q12, root);
    const int rooted_zeros = leading_zeros((uint32_t)rooted) - 1;
    const int32_t first = saturating_left(sernet_high(x_q12 * (1 << (zeros - 1)), root), 1);
    const int32_t second = saturating_left(x_q12, rooted_zeros);
    const int32_t r = first < second ? first : second;
    const int32_t first_power = (12 - zeros) * (1 << 25) + quarter_q6;
    const int32_t second_power = (12 - rooted_zeros) * (1 << 25) - quarter_q6;
    const int32_t power_q6 = first_power > second_power ? first_power : second_power;
    const int32_t q = 2 * (r - center), q2 = sernet_high(q, q);
    const int32_t p = (int32_t)(((int64_t)r + center + 1) / 2);
    const int32_t numerator = sernet_high(q, r) + sernet_high(sernet_high(q, q2), 117049297);
    const int32_t denominator = sernet_high(p, 1057819769 + q + sernet_high(127690142, q2)) +
                                sernet_high(638450708, q);
    const int32_t rest_q6 = sernet_high(sernet_round_shift(numerator, 6), reciprocal_q0(denominator));
    return saturating_left(sernet_high(power_q6, 1488522236) + rest_q6, 1);
}

static int32_t largest(const int8_t *in, uint32_t count) {
    int32_t most = -128;
    for (uint32_t c = 0; c < count; c++)
        if (in[c] > most) most = in[c];
    return most;
}

/* The sum in q12 of exp(channel - largest channel); `p` is the bias of SOFTMAX. */
static int32_t sum_of_exps(const int8_t *in, uint32_t count, int32_t most, const int32_t *p) {
    int32_t sum_q12 = 0;
    for (uint32_t c = 0; c < count; c++)
        if (in[c] - most >= p[2])
            sum_q12 += sernet_round_shift(exp_of(in[c] - most, p[0], p[1]), 12);
    return sum_q12;
}

/* bias: multiplier and left shift for `exp_of`, and the least difference that counts. */
void sernet_softmax(const sernet_step *s) {
    const int32_t *p = s->layer->bias;
    const uint32_t channels = s->layer->channels;
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t x = 0; x < s->layer->width; x++, in += channels, out += channels) {
        const int32_t most = largest(in, channels);
        const uint32_t sum_q12 = (uint32_t)sum_of_exps(in, channels, most, p);
        /* The sum, shifted so that its leading one is at bit 31, without this leading one. */
        const int headroom = leading_zeros(sum_q12);
        const int32_t scale = reciprocal_q0((int32_t)((sum_q12 << headroom) - 0x80000000u));
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

/* bias: the numbers of SOFTMAX; multiplier and shift from q5 to steps of the input. */
void sernet_log_softmax(const sernet_step *s) {
    const int32_t *p = s->layer->bias;
    const uint32_t channels = s->layer->channels;
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t x = 0; x < s->layer->width; x++, in += channels, out += channels) {
        const int32_t most = largest(in, channels);
        const int32_t log = log_q5(sum_of_exps(in, channels, most, p));
        /* A channel too far below the largest would leave the range of q5. */
        int32_t farthest = sernet_rescale((int32_t)((uint32_t)log + 0x80000000u), p[3], p[4]);
        if (farthest < p[2] - 1) farthest = p[2] - 1;
        for (uint32_t c = 0; c < channels; c++) {
            int32_t score = -128;
            if (in[c] - most > farthest) {
                const uint32_t scaled = (uint32_t)(in[c] - most) << p[1];
                const int32_t difference = sernet_high((int32_t)scaled, p[0]);
                score = sernet_round_shift(difference - log, 22) + 127;
            }
            out[c] = (int8_t)sernet_clamp(score, -128, 127);
        }
    }
}

/* bias: zero points; multiplier and shift of a sum; the distance, in values of the second input,
 * from one summand to the next, and from one sum to the next. */
void sernet_matmul(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t *p = layer->bias;
    const uint32_t channels = layer->channels, depth = source->channels;
    const int8_t *in = sernet_row(source, s->arena, s->step);
    const int8_t *matrix = sernet_row(sernet_input(s, 1), s->arena, s->step);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    for (uint32_t x = 0; x < layer->width; x++) {
        memset(sums, 0, channels * sizeof *sums);
        for (uint32_t k = 0; k < depth; k++) {
            const int32_t value = *in++ - p[0];
            const int8_t *of_sum = matrix + k * (uint32_t)p[4];
            for (uint32_t c = 0; c < channels; c++, of_sum += p[5])
                sums[c] += value * (*of_sum - p[1]);
        }
        for (uint32_t c = 0; c < channels; c++) {
            const int32_t v = sernet_rescale(sums[c], p[2], p[3]) + layer->zero_point;
            *out++ = (int8_t)sernet_clamp(v, -128, 127);
        }
    }
}
