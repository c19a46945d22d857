/* One step of the layers that compute each value by itself. */
#include "sernet_kernels.h"

void sernet_lookup(const sernet_step *s) {
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step);
    int8_t *out = sernet_row(s->layer, s->arena, s->step);
    for (uint32_t i = 0; i < (uint32_t)s->layer->width * s->layer->channels; i++)
        out[i] = s->layer->weights[in[i] + 128];
}

/* bias: zero point, multiplier and shift of each input; then multiplier and shift. */
void sernet_add(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    const int8_t *a = sernet_row(sernet_input(s, 0), s->arena, s->step);
    const int8_t *b = sernet_row(sernet_input(s, 1), s->arena, s->step);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t i = 0; i < (uint32_t)layer->width * layer->channels; i++) {
        const int32_t x = sernet_rescale((a[i] - p[0]) * (1 << 20), p[1], p[2]);
        const int32_t y = sernet_rescale((b[i] - p[3]) * (1 << 20), p[4], p[5]);
        const int32_t sum = sernet_rescale(x + y, p[6], p[7]) + layer->zero_point;
        out[i] = (int8_t)sernet_clamp(sum, layer->low, layer->high);
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
