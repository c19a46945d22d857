/* One step of the layers that compute each value by itself. */
#include "sernet_kernels.h"

void sernet_lookup(const sernet_step *s) {
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t i = 0; i < (uint32_t)s->layer->width * s->layer->channels; i++)
        out[i] = s->layer->weights[in[i] + 128];
}

/* How a number below 2^30 is rescaled to a smaller one: multiplier, and a shift of 0..22 bits. */
typedef struct {
    int32_t multiplier, half, sign;
    int right;
} reduction;

static reduction reduction_of(const int32_t *p) {
    const int right = (int)-p[1];
    const reduction r = {p[0], right > 0 ? 1 << (right - 1) : 0, right > 0 ? -1 : 0, right};
    return r;
}

/* `sernet_rescale` of such a number. */
static inline int32_t reduced(int32_t x, const reduction *r) {
#ifdef SERNET_DSP
    int32_t v;
    __asm("smmulr %0, %1, %2" : "=r"(v) : "r"(x * 2), "r"(r->multiplier));
#else
    const int32_t v = sernet_high(x, r->multiplier);
#endif
    /* Halves away from zero: less one if negative, where anything is shifted out. */
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

/* bias: zero point, multiplier and shift of each input; then multiplier and shift. The shifts are
 * -22..0. */
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
    uint32_t position, channel; /* from one to the next, in bytes */
} operand;

/* Bytes from one position to the next, from one channel to the next and, of a constant, from one
 * row to the next; -1 there: it is the next input. */
static operand operand_at(const sernet_step *s, const int32_t *strides, uint32_t *input) {
    operand o = {s->layer->weights, (uint32_t)strides[0], (uint32_t)strides[1]};
    if (strides[2] >= 0)
        o.values += s->step * (uint32_t)strides[2];
    else
        o.values = sernet_row(sernet_input(s, (*input)++), s->arena, s->step);
    return o;
}

/* bias: as `sernet_add`; strides of both operands; 1 to add, -1 to subtract. */
void sernet_combine(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    uint32_t input = 0;
    operand a = operand_at(s, p + 8, &input), b = operand_at(s, p + 11, &input);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c++) {
            const int32_t u = a.values[c * a.channel] - p[0], v = b.values[c * b.channel] - p[3];
            const int32_t first = sernet_rescale(u * (1 << 20), p[1], p[2]);
            const int32_t second = sernet_rescale(v * (1 << 20), p[4], p[5]);
            const int32_t sum = sernet_rescale(first + p[14] * second, p[6], p[7]);
            *out++ = (int8_t)sernet_clamp(sum + layer->zero_point, layer->low, layer->high);
        }
}

/* bias: zero points; multiplier and shift of the product; strides of both operands. */
void sernet_multiply(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    uint32_t input = 0;
    operand a = operand_at(s, p + 4, &input), b = operand_at(s, p + 7, &input);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width; x++, a.values += a.position, b.values += b.position)
        for (uint32_t c = 0; c < layer->channels; c++) {
            const int32_t u = a.values[c * a.channel] - p[0], v = b.values[c * b.channel] - p[1];
            const int32_t product = sernet_rescale(u * v, p[2], p[3]) + layer->zero_point;
            *out++ = (int8_t)sernet_clamp(product, layer->low, layer->high);
        }
}

/* bias: zero points; multiplier and shift of what is not negative, then of the product with a slope;
 * strides of the input and the slopes. */
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
