/* One step of the layers that compute each output value separately. */
#include "sernet_kernels.h"

void sernet_lookup(const sernet_step *s) {
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t i = 0; i < (uint32_t)s->layer->width * s->layer->channels; i++)
        out[i] = s->layer->weights[in[i] + 128];
}

/* Rescales a number below 2^30 to a smaller one: multiplier, and a right shift of 0..22 bits. */
typedef struct {
    int32_t multiplier, half, sign;
    int right;
} reduction;

static reduction reduction_of(const int32_t *p) {
    const int right = (int)-p[1];
    const reduction r = {p[0], right > 0 ? 1 << (right - 1) : 0, right > 0 ? -1 : 0, right};
    return r;
}

/* `sernet_rescale` with a `reduction`. */
static inline int32_t reduced(int32_t x, const reduction *r) {
#ifdef SERNET_DSP
    int32_t v;
    __asm("smmulr %0, %1, %2" : "=r"(v) : "r"(x * 2), "r"(r->multiplier));
#else
    const int32_t v = sernet_high(x, r->multiplier);
#endif
    /* Round halves away from zero: subtract one from a negative number before the shift. */
    return (v + r->half + ((v >> 31) & r->sign)) >> r->right;
}

#ifdef SERNET_HELIUM

static inline int32x4_t all_reduced(int32x4_t x, const reduction *r) {
    x = vqrdmulhq_n_s32(x, r->multiplier);
    if (r->right == 0) return x;
    x = vaddq_s32(x, vshrq_n_s32(x, 31));
    return vrshlq_n_s32(x, -r->right);
}

#endif

/* bias: zero point, multiplier and shift of each input; multiplier and shift of the sum. The shifts
 * are -22..0. */
void sernet_add(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    const int32_t zero_a = p[0], zero_b = p[3], zero = layer->zero_point;
    const reduction of_a = reduction_of(p + 1), of_b = reduction_of(p + 4);
    const reduction of_sum = reduction_of(p + 6);
    const int8_t *a = sernet_row(sernet_input(s, 0), s->arena, s->step);
    const int8_t *b = sernet_row(sernet_input(s, 1), s->arena, s->step);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    uint32_t count = (uint32_t)layer->width * layer->channels;
#ifdef SERNET_HELIUM
    const int32x4_t low = vdupq_n_s32(layer->low), high = vdupq_n_s32(layer->high);
    for (; count >= 4; count -= 4, a += 4, b += 4, out += 4) {
        const int32x4_t u = vshlq_n_s32(vsubq_n_s32(vldrbq_s32(a), zero_a), 20);
        const int32x4_t v = vshlq_n_s32(vsubq_n_s32(vldrbq_s32(b), zero_b), 20);
        int32x4_t sum = vaddq_s32(all_reduced(u, &of_a), all_reduced(v, &of_b));
        sum = vaddq_n_s32(all_reduced(sum, &of_sum), zero);
        vstrbq_s32(out, vminq_s32(vmaxq_s32(sum, low), high));
    }
#endif
    for (; count > 0; count--) {
        const int32_t u = (*a++ - zero_a) * (1 << 20), v = (*b++ - zero_b) * (1 << 20);
        const int32_t sum = reduced(u, &of_a) + reduced(v, &of_b);
        *out++ = (int8_t)sernet_clamp(reduced(sum, &of_sum) + zero, layer->low, layer->high);
    }
}

/* One operand of a sum or product with broadcasting. */
typedef struct {
    const int8_t *values;
    uint32_t position, channel; /* distance to the next position and the next channel, bytes */
} operand;

/* Returns an operand.
 *
 *     strides (3) bytes to the next position, to the next channel and, for a constant, to the next
 *                 row; -1 in place of the last: the operand is the layer's next input */
static operand operand_at(const sernet_step *s, const int32_t *strides, uint32_t *input) {
    operand o = {s->layer->weights, (uint32_t)strides[0], (uint32_t)strides[1]};
    if (strides[2] >= 0)
        o.values += s->step * (uint32_t)strides[2];
    else
        o.values = sernet_row(sernet_input(s, (*input)++), s->arena, s->step);
    return o;
}

#ifdef SERNET_HELIUM

/* Four channels of an operand, from channel c on, minus its zero point. */
static inline int32x4_t lanes_of(const operand *o, uint32_t c, int32_t zero, mve_pred16_t lanes) {
    if (o->channel == 0) return vdupq_n_s32(o->values[0] - zero);
    return vsubq_n_s32(vldrbq_z_s32(o->values + c, lanes), zero);
}

/* The rescaling of four outputs. */
static inline sernet_rescaling rescaling_of(const int32_t *p, const sernet_layer *layer) {
    const int32x4_t none = vdupq_n_s32(0), shift = vdupq_n_s32(p[1]);
    const sernet_rescaling r = {vdupq_n_s32(p[0]), vmaxq_s32(shift, none), vminq_s32(shift, none),
                                vdupq_n_s32(layer->low), vdupq_n_s32(layer->high),
                                layer->zero_point};
    return r;
}

/* The same for intermediate values, without zero point and limits. */
static inline sernet_rescaling inner_rescaling_of(const int32_t *p, const sernet_layer *layer) {
    sernet_rescaling r = rescaling_of(p, layer);
    r.low = vdupq_n_s32(INT32_MIN);
    r.high = vdupq_n_s32(INT32_MAX);
    r.zero_point = 0;
    return r;
}

#endif

#ifndef SERNET_HELIUM

/* Whether `reduced` can do a shift. */
static inline int is_reducing(int32_t shift) { return shift <= 0 && shift >= -22; }

#endif

/* bias: the numbers of `sernet_add`; strides of both operands; 1 to add, -1 to subtract. */
void sernet_combine(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    uint32_t input = 0;
    operand a = operand_at(s, p + 8, &input), b = operand_at(s, p + 11, &input);
    int8_t *out = sernet_row(layer, s->arena, s->step);
#ifdef SERNET_HELIUM
    const sernet_rescaling of_a = inner_rescaling_of(p + 1, layer);
    const sernet_rescaling of_b = inner_rescaling_of(p + 4, layer);
    const sernet_rescaling of_sum = rescaling_of(p + 6, layer);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c += 4) {
            const uint32_t left = layer->channels - c;
            const mve_pred16_t lanes = vctp32q(left);
            const int32x4_t u = vshlq_n_s32(lanes_of(&a, c, p[0], lanes), 20);
            const int32x4_t v = vshlq_n_s32(lanes_of(&b, c, p[3], lanes), 20);
            const int32x4_t second = vmulq_n_s32(sernet_rescaled(&of_b, v), p[14]);
            const int32x4_t sum = vaddq_s32(sernet_rescaled(&of_a, u), second);
            vstrbq_p_s32(out, sernet_rescaled(&of_sum, sum), lanes);
            out += left < 4 ? left : 4;
        }
#else
    const int quick = is_reducing(p[2]) && is_reducing(p[5]) && is_reducing(p[7]);
    const reduction of_a = reduction_of(p + 1), of_b = reduction_of(p + 4);
    const reduction of_sum = reduction_of(p + 6);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c++) {
            const int32_t u = (a.values[c * a.channel] - p[0]) * (1 << 20);
            const int32_t v = (b.values[c * b.channel] - p[3]) * (1 << 20);
            int32_t sum;
            if (quick) {
                sum = reduced(reduced(u, &of_a) + p[14] * reduced(v, &of_b), &of_sum);
            } else {
                const int32_t first = sernet_rescale(u, p[1], p[2]);
                const int32_t second = sernet_rescale(v, p[4], p[5]);
                sum = sernet_rescale(first + p[14] * second, p[6], p[7]);
            }
            *out++ = (int8_t)sernet_clamp(sum + layer->zero_point, layer->low, layer->high);
        }
#endif
}

/* bias: zero points; multiplier and shift of the product; strides of both operands. */
void sernet_multiply(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    uint32_t input = 0;
    operand a = operand_at(s, p + 4, &input), b = operand_at(s, p + 7, &input);
    int8_t *out = sernet_row(layer, s->arena, s->step);
#ifdef SERNET_HELIUM
    const sernet_rescaling of_product = rescaling_of(p + 2, layer);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c += 4) {
            const uint32_t left = layer->channels - c;
            const mve_pred16_t lanes = vctp32q(left);
            const int32x4_t u = lanes_of(&a, c, p[0], lanes), v = lanes_of(&b, c, p[1], lanes);
            vstrbq_p_s32(out, sernet_rescaled(&of_product, vmulq_s32(u, v)), lanes);
            out += left < 4 ? left : 4;
        }
#else
    const int quick = is_reducing(p[3]);
    const reduction of_product = reduction_of(p + 2);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c++) {
            const int32_t u = a.values[c * a.channel] - p[0], v = b.values[c * b.channel] - p[1];
            const int32_t product =
                (quick ? reduced(u * v, &of_product) : sernet_rescale(u * v, p[2], p[3])) +
                layer->zero_point;
            *out++ = (int8_t)sernet_clamp(product, layer->low, layer->high);
        }
#endif
}

/* bias: zero points; multiplier and shift of inputs that are not negative; multiplier and shift of
 * the product with a slope; strides of the input and of the slopes. */
void sernet_prelu(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    uint32_t input = 0;
    operand a = operand_at(s, p + 6, &input), b = operand_at(s, p + 9, &input);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c++) {
            const int32_t u = a.values[c * a.channel] - p[0];
            const int32_t v = u >= 0 ? sernet_rescale(u, p[2], p[3])
                                     : sernet_rescale(u * (b.values[c * b.channel] - p[1]), p[4], p[5]);
            *out++ = (int8_t)sernet_clamp(v + layer->zero_point, -128, 127);
        }
}
