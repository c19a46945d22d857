/* CONV_2D and FULLY_CONNECTED: one row of output.
 *
 * The inputs of a few positions are gathered into columns of int16; then every pair of
 * output channels is multiplied with them. Padding is filled in while gathering, so the
 * products know nothing of edges. Inputs are used as they are; the bias makes up for their
 * zero point. Columns and weights go in groups of 4, the last one filled with zeros. */
#include "sernet_kernels.h"

#define GROUP 4u
#define CHUNK 16u /* weights of a channel are padded to a multiple of it */

/* Positions gathered at a time; plan.py's COLUMN_PIXELS has room for 3. */
#define PIXELS 2u

/* Where the next element of a column goes. */
typedef struct {
    int16_t *group;
    uint32_t lane;   /* 0..3 within the group */
    uint32_t stride; /* from one group of a column to the next, in elements */
} cursor;

/* Appends `count` bytes to a column; step 0 repeats one byte. */
static void append(cursor *to, const int8_t *from, uint32_t step, uint32_t count) {
    for (; count > 0; count--, from += step) {
        to->group[to->lane] = *from;
        if (++to->lane == GROUP) {
            to->lane = 0;
            to->group += to->stride;
        }
    }
}

/* Gathers the inputs of output positions x..x+pixels-1 into interleaved columns:
 * (groups, pixels, 4). */
static void gather(const sernet_step *s, uint32_t x, uint32_t pixels, int16_t *columns) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t width = source->width, channels = source->channels;
    const int32_t top = (int32_t)(s->step * layer->stride_height) - layer->pad_top;
    for (uint32_t p = 0; p < pixels; p++) {
        cursor to = {columns + p * GROUP, 0, pixels * GROUP};
        const int32_t left = (int32_t)((x + p) * layer->stride_width) - layer->pad_left;
        const int32_t right = left + layer->kernel_width;
        const int32_t before = left < 0 ? -left : 0, after = right > width ? right - width : 0;
        for (int32_t y = top; y < top + layer->kernel_height; y++) {
            if (y < 0 || y >= source->height) {
                append(&to, &source->zero_point, 0, (uint32_t)(layer->kernel_width * channels));
                continue;
            }
            const int8_t *row = sernet_row(source, s->arena, (uint32_t)y);
            append(&to, &source->zero_point, 0, (uint32_t)(before * channels));
            append(&to, row + (left + before) * channels, 1,
                   (uint32_t)((layer->kernel_width - before - after) * channels));
            append(&to, &source->zero_point, 0, (uint32_t)(after * channels));
        }
        while (to.lane != 0) append(&to, &source->zero_point, 0, 1);
    }
}

static void put(const sernet_layer *layer, int8_t *out, uint32_t c, int32_t sum) {
    const int32_t v = sernet_rescale(sum, layer->multiplier[c], layer->shift[c]);
    *out = (int8_t)sernet_clamp(v + layer->zero_point, layer->low, layer->high);
}

void sernet_conv(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = layer->channels;
    const uint32_t size =
        (uint32_t)layer->kernel_height * layer->kernel_width * sernet_input(s, 0)->channels;
    const uint32_t groups = (size + GROUP - 1) / GROUP;
    const uint32_t pair_bytes = (size + CHUNK - 1) / CHUNK * CHUNK * 2;
    int16_t *columns = (int16_t *)(void *)(s->arena + layer->scratch_offset);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width;) {
        const uint32_t pixels = layer->width - x < PIXELS ? 1 : PIXELS;
        gather(s, x, pixels, columns);
        for (uint32_t c = 0; c < channels; c += 2) {
            const int8_t *w = layer->weights + c / 2 * pair_bytes;
            const int16_t *in = columns;
            const int odd = c + 1 == channels;
            int32_t a = layer->bias[c], b = odd ? 0 : layer->bias[c + 1], d = a, e = b;
            if (pixels == 2) {
                for (uint32_t g = 0; g < groups; g++, w += 2 * GROUP, in += 2 * GROUP)
                    for (uint32_t i = 0; i < GROUP; i++) {
                        a += in[i] * w[i];
                        b += in[i] * w[GROUP + i];
                        d += in[GROUP + i] * w[i];
                        e += in[GROUP + i] * w[GROUP + i];
                    }
                put(layer, out + channels + c, c, d);
                if (!odd) put(layer, out + channels + c + 1, c + 1, e);
            } else {
                for (uint32_t g = 0; g < groups; g++, w += 2 * GROUP, in += GROUP)
                    for (uint32_t i = 0; i < GROUP; i++) {
                        a += in[i] * w[i];
                        b += in[i] * w[GROUP + i];
                    }
            }
            put(layer, out + c, c, a);
            if (!odd) put(layer, out + c + 1, c + 1, b);
        }
        x += pixels;
        out += pixels * channels;
    }
}
