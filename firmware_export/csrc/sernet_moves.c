/* One step of the layers that only copy values. */
#include "sernet_kernels.h"

#include <string.h>

/* Along channels: joins the channels of all inputs at every position. Along width (`over_width`):
 * joins the whole rows of all inputs. */
void sernet_concatenate(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    const uint32_t positions = layer->over_width ? 1 : layer->width;
    for (uint32_t i = 0; i < layer->input_count; i++) {
        const sernet_layer *source = sernet_input(s, i);
        const uint32_t bytes = (uint32_t)source->width * source->channels / positions;
        const uint32_t stride = (uint32_t)layer->width * layer->channels / positions;
        const int8_t *in = sernet_row(source, s->arena, s->step);
        for (uint32_t x = 0; x < positions; x++) memcpy(out + x * stride, in + x * bytes, bytes);
        out += bytes;
    }
}

void sernet_stack(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    uint32_t row = s->step;
    for (uint32_t i = 1; row >= source->height; i++) {
        row -= source->height;
        source = sernet_input(s, i);
    }
    memcpy(sernet_row(layer, s->arena, s->step), sernet_row(source, s->arena, row),
           (size_t)layer->width * layer->channels);
}

void sernet_collect(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t bytes = (uint32_t)source->width * source->channels;
    memcpy(sernet_row(layer, s->arena, s->step / layer->join) + s->step % layer->join * bytes,
           sernet_row(source, s->arena, s->step), bytes);
}

/* Copies the newest of the rows that the kernel spans. */
void sernet_slice(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    memcpy(sernet_row(layer, s->arena, s->step),
           sernet_row(sernet_input(s, 0), s->arena,
                      s->step * layer->stride_height + layer->kernel_height - 1u),
           (size_t)layer->width * layer->channels);
}

/* bias: the first value's place in a row; the distances from one position to the next, and from one
 * channel to the next. */
void sernet_crop(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena,
                                  s->step * layer->stride_height + layer->kernel_height - 1u);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    in += p[0];
    for (uint32_t x = 0; x < layer->width; x++, in += p[1], out += layer->channels)
        if (p[2] == 1)
            memcpy(out, in, layer->channels);
        else
            for (uint32_t c = 0; c < layer->channels; c++) out[c] = in[c * (uint32_t)p[2]];
}

/* bias: the distances in the source from one position to the next, from one channel to the next
 * and, if one row becomes several, from one row to the next. */
void sernet_arrange(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const int32_t *p = layer->bias;
    const int8_t *in = sernet_row(sernet_input(s, 0), s->arena, s->step * layer->stride_height);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    in += s->step * (uint32_t)p[2];
    for (uint32_t x = 0; x < layer->width; x++, in += p[0])
        for (uint32_t c = 0; c < layer->channels; c++) *out++ = in[c * (uint32_t)p[1]];
}

void sernet_pad(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t bytes = (uint32_t)source->width * source->channels;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    /* As unsigned numbers, rows before the input are huge. */
    const uint32_t row = s->step - layer->pad_top;
    memset(out, source->zero_point, (size_t)layer->width * layer->channels);
    if (row < source->height)
        memcpy(out + (uint32_t)layer->pad_left * layer->channels,
               sernet_row(source, s->arena, row), bytes);
}
