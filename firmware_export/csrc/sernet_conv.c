/* CONV_2D and FULLY_CONNECTED: one row of output.
 *
 * The kernel gathers the inputs of two or three positions into columns, fills in padding, and then
 * multiplies every pair of output channels with the columns; so the products need no case for the
 * edges. It multiplies raw inputs; the bias corrects for their zero point. Columns and weights are
 * in groups; zeros fill up the weights to a whole chunk. */
#include "sernet_kernels.h"

#include <string.h>


#define CHUNK 16u    /* a channel's weights are padded to a multiple of this */
#define CHANNELS 16u /* channels that are summed before they are rescaled */
#define COPIED 4u    /* channels whose weights are copied into RAM at a time */
#define PIECE 512u   /* values of a dense layer's input that are multiplied at a time */

#ifdef SERNET_HELIUM

#define PIXELS 3u /* positions at a time */

/* int8 columns one after the other, each of whole chunks. */
typedef int8_t element;

#define GROUP CHUNK

typedef struct {
    int8_t *at;
} cursor;

SERNET_HOT static cursor start_column(element *columns, uint32_t pixel, uint32_t pixels, uint32_t size) {
    (void)pixels;
    const cursor to = {columns + pixel * ((size + CHUNK - 1) / CHUNK * CHUNK)};
    return to;
}

static inline void copy(cursor *to, const int8_t *from, int32_t count) {
    int8_t *at = to->at;
    to->at += count;
    for (; count >= 16; count -= 16, from += 16, at += 16) vst1q_s8(at, vld1q_s8(from));
    if (count > 0) {
        const mve_pred16_t lanes = vctp8q((uint32_t)count);
        vstrbq_p_s8(at, vldrbq_z_s8(from, lanes), lanes);
    }
}

static inline void fill(cursor *to, int8_t value, int32_t count) {
    int8_t *at = to->at;
    to->at += count;
    for (; count > 0; count -= 16, at += 16)
        vstrbq_p_s8(at, vdupq_n_s8(value), vctp8q((uint32_t)count));
}

/* The end of a column's last chunk holds old values, but its weights are zero. */
SERNET_HOT static void end_column(cursor *to) { (void)to; }

/* The place of element k of the first column; `column_step` is the distance to the next column. */
static inline uint32_t place(uint32_t k, uint32_t pixels) {
    (void)pixels;
    return k;
}

static inline uint32_t column_step(uint32_t size) { return (size + CHUNK - 1) / CHUNK * CHUNK; }

/* Whether `gather_single` is faster: it is slower for longer rows, which copy 16 at a time. */
static inline int is_single(const sernet_layer *layer, const sernet_layer *source) {
    return source->channels == 1 && layer->kernel_width <= 3;
}

#else

#ifdef SERNET_DSP
#define PIXELS 3u /* positions at a time, at most */
#else
#define PIXELS 2u
#endif

/* int16 columns, interleaved: (groups, pixels, 4). */
typedef int16_t element;

#define GROUP 4u

typedef struct {
    int16_t *group;
    uint32_t lane; /* of the next element within the group */
    uint32_t step; /* from one group of a column to the next, in elements */
} cursor;

SERNET_HOT static cursor start_column(element *columns, uint32_t pixel, uint32_t pixels, uint32_t size) {
    (void)size;
    const cursor to = {columns + pixel * GROUP, 0, pixels * GROUP};
    return to;
}

static inline uint32_t lane_order(uint32_t lane) {
#ifdef SERNET_DSP
    /* SXTB16 takes bytes 0 and 2 of a word, then 1 and 3. */
    return (lane & 1u) << 1 | lane >> 1;
#else
    return lane;
#endif
}

static inline void append(cursor *to, int8_t value) {
    to->group[lane_order(to->lane)] = value;
    if (++to->lane == GROUP) {
        to->lane = 0;
        to->group += to->step;
    }
}

static inline void copy(cursor *to, const int8_t *from, int32_t count) {
#ifdef SERNET_DSP
    if (to->lane == 0)
        for (; count >= 4; count -= 4, from += 4, to->group += to->step) {
            uint32_t bytes, even, odd;
            memcpy(&bytes, from, sizeof bytes);
            even = (uint32_t)__sxtb16((int8x4_t)bytes);
            odd = (uint32_t)__sxtb16((int8x4_t)(bytes >> 8 | bytes << 24));
            memcpy(to->group, &even, sizeof even);
            memcpy(to->group + 2, &odd, sizeof odd);
        }
#endif
    for (; count > 0; count--) append(to, *from++);
}

static inline void fill(cursor *to, int8_t value, int32_t count) {
#ifdef SERNET_DSP
    const uint32_t half = (uint32_t)value & 0xFFFFu, both = half << 16 | half;
    if (to->lane == 0)
        for (; count >= 4; count -= 4, to->group += to->step) {
            memcpy(to->group, &both, sizeof both);
            memcpy(to->group + 2, &both, sizeof both);
        }
#endif
    for (; count > 0; count--) append(to, value);
}

SERNET_HOT static void end_column(cursor *to) {
    while (to->lane != 0) append(to, 0);
}

static inline uint32_t place(uint32_t k, uint32_t pixels) {
    return k / GROUP * GROUP * pixels + lane_order(k % GROUP);
}

static inline uint32_t column_step(uint32_t size) {
    (void)size;
    return GROUP;
}

static inline int is_single(const sernet_layer *layer, const sernet_layer *source) {
    (void)layer;
    return source->channels == 1;
}

#endif

/* `gather` for one input channel, where runs of values are too short for `copy`. */
SERNET_HOT static void gather_single(const sernet_step *s, uint32_t x, uint32_t pixels, uint32_t size,
                          element *columns) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t step = column_step(size), stride = layer->stride_width;
    const uint32_t width = source->width, height = source->height;
    const uint32_t kernel_width = layer->kernel_width;
    const int8_t zero = source->zero_point;
    /* As unsigned numbers, positions before the input are huge, so one comparison finds them. */
    const uint32_t left = x * stride - layer->pad_left;
    uint32_t y = s->step * layer->stride_height - layer->pad_top, k = 0;
    for (; k < size; y++) {
        const int8_t *row = y < height ? sernet_row(source, s->arena, y) : NULL;
        for (uint32_t i = 0; i < kernel_width; i++, k++) {
            element *to = columns + place(k, pixels);
            uint32_t at = left + i;
            for (uint32_t p = 0; p < pixels; p++, at += stride, to += step)
                *to = row != NULL && at < width ? row[at] : zero;
        }
    }
    for (; k % GROUP != 0 && GROUP < CHUNK; k++)
        for (uint32_t p = 0; p < pixels; p++) columns[place(k, pixels) + p * step] = 0;
}

/* Gathers the inputs of output positions x..x+pixels-1. */
SERNET_HOT static void gather(const sernet_step *s, uint32_t x, uint32_t pixels, uint32_t size,
                   element *columns) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t width = source->width, channels = source->channels;
    const int32_t top = (int32_t)(s->step * layer->stride_height) - layer->pad_top;
    const int8_t zero = source->zero_point;
    for (uint32_t p = 0; p < pixels; p++) {
        cursor to = start_column(columns, p, pixels, size);
        const int32_t left = (int32_t)((x + p) * layer->stride_width) - layer->pad_left;
        const int32_t right = left + layer->kernel_width;
        const int32_t before = left < 0 ? -left : 0, after = right > width ? right - width : 0;
        const int32_t inside = layer->kernel_width - before - after;
        for (int32_t y = top; y < top + layer->kernel_height; y++) {
            if (y < 0 || y >= source->height) {
                fill(&to, zero, layer->kernel_width * channels);
                continue;
            }
            const int8_t *row = sernet_row(source, s->arena, (uint32_t)y);
            fill(&to, zero, before * channels);
            copy(&to, row + (left + before) * channels, inside * channels);
            fill(&to, zero, after * channels);
        }
        end_column(&to);
    }
}

/* `gather` for a kernel with gaps between its taps. */
SERNET_HOT static void gather_dilated(const sernet_step *s, uint32_t x, uint32_t pixels, uint32_t size,
                           element *columns) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t channels = source->channels;
    const int is_run = layer->dilation_width == 1;
    for (uint32_t p = 0; p < pixels; p++) {
        cursor to = start_column(columns, p, pixels, size);
        const uint32_t left = (x + p) * layer->stride_width - layer->pad_left;
        /* As unsigned numbers, rows before the input are huge. */
        uint32_t y = s->step * layer->stride_height - layer->pad_top;
        for (uint32_t i = 0; i < layer->kernel_height; i++, y += layer->dilation_height) {
            if (is_run && y < source->height && left < source->width &&
                left + layer->kernel_width <= source->width) {
                copy(&to, sernet_row(source, s->arena, y) + left * (uint32_t)channels,
                     layer->kernel_width * channels);
                continue;
            }
            for (uint32_t k = 0, at = left; k < layer->kernel_width; k++, at += layer->dilation_width)
                if (y < source->height && at < source->width)
                    copy(&to, sernet_row(source, s->arena, y) + at * (uint32_t)channels, channels);
                else
                    fill(&to, source->zero_point, channels);
        }
        end_column(&to);
    }
}

#ifdef SERNET_DSP

/* In sernet_dot_dsp.S. */
typedef void dot_function(const int16_t *columns, const int8_t *weights, uint32_t groups,
                          int32_t *sums, const int32_t *bias, uint32_t pairs, uint32_t skip);
dot_function sernet_dot_1, sernet_dot_2, sernet_dot_3;

/* Sums of pairs of channels, for layers with a weight of -128. */
SERNET_HOT static void any_dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                    uint32_t pairs, const int32_t *bias, int32_t *sums) {
    const uint32_t pair_bytes = (size + CHUNK - 1) / CHUNK * CHUNK * 2;
    for (; pairs > 0; pairs--, weights += pair_bytes, bias += 2, sums += 2) {
        const int32_t first = bias[0], second = bias[1];
        for (uint32_t p = 0; p < pixels; p++) {
            int32_t a = first, b = second;
            for (uint32_t k = 0; k < size; k++) {
                const int8_t *both = weights + k / GROUP * 8 + 2 * lane_order(k % GROUP);
                const int32_t x = columns[place(k, pixels) + p * GROUP];
                a += x * (((both[1] + (both[0] < 0) + 128) & 255) - 128);
                b += x * both[0];
            }
            sums[p * CHANNELS] = a;
            sums[p * CHANNELS + 1] = b;
        }
    }
}

/* Sums of pairs of channels at up to three positions, starting from the bias; `most` is the layer's
 * `part_groups`. */
SERNET_HOT static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                uint32_t pairs, const int32_t *bias, int32_t *sums, uint32_t most) {
    static dot_function *const functions[PIXELS] = {sernet_dot_1, sernet_dot_2, sernet_dot_3};
    static const int32_t none[CHANNELS] = {0};
    if (most == 0) {
        any_dot(pixels, columns, weights, size, pairs, bias, sums);
        return;
    }
    const uint32_t groups = (size + GROUP - 1) / GROUP, all = (size + CHUNK - 1) / CHUNK * 4;
    uint32_t part = groups < most ? groups : most;
    functions[pixels - 1](columns, weights, part, sums, bias, pairs, 8 * (all - part));
    for (uint32_t done = part; done < groups; done += part) {
        int32_t more[PIXELS * CHANNELS];
        part = groups - done < most ? groups - done : most;
        functions[pixels - 1](columns + done * pixels * GROUP, weights + 8 * done, part, more, none,
                              pairs, 8 * (all - part));
        for (uint32_t p = 0; p < pixels; p++)
            for (uint32_t i = 0; i < 2 * pairs; i++)
                sums[p * CHANNELS + i] += more[p * CHANNELS + i];
    }
}

#elif defined(SERNET_HELIUM)

/* In sernet_dot_helium.S. */
typedef void dot_function(const element *columns, const int8_t *weights, uint32_t groups,
                          int32_t *sums, const int32_t *bias, uint32_t pairs);
dot_function sernet_dot_1, sernet_dot_2, sernet_dot_3;

/* Sums of pairs of channels at up to three positions, starting from the bias. */
SERNET_HOT static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                uint32_t pairs, const int32_t *bias, int32_t *sums, uint32_t most) {
    (void)most;
    static dot_function *const functions[PIXELS] = {sernet_dot_1, sernet_dot_2, sernet_dot_3};
    functions[pixels - 1](columns, weights, (size + GROUP - 1) / GROUP, sums, bias, pairs);
}

#else

/* Sums of a pair of channels at one position. */
SERNET_HOT static void dot_1(const element *x, uint32_t step, const int8_t *w, uint32_t groups,
                  const int32_t *bias, int32_t *sums) {
    int32_t a = bias[0], b = bias[1];
    for (; groups > 0; groups--, w += 2 * GROUP, x += step) {
        a += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
        b += x[0] * w[4] + x[1] * w[5] + x[2] * w[6] + x[3] * w[7];
    }
    sums[0] = a;
    sums[1] = b;
}

/* Element i of two columns times its weights for two channels. */
#define MULTIPLY(i)                                                                                \
    do {                                                                                           \
        const int32_t u = x[i], v = x[GROUP + (i)], p = w[i], q = w[GROUP + (i)];                  \
        a += u * p;                                                                                \
        b += u * q;                                                                                \
        c += v * p;                                                                                \
        d += v * q;                                                                                \
    } while (0)

/* The same at two positions; a core without the DSP extension has no registers for more sums. */
SERNET_HOT static void dot_2(const element *x, uint32_t step, const int8_t *w, uint32_t groups,
                  const int32_t *bias, int32_t *sums) {
    int32_t a = bias[0], b = bias[1], c = a, d = b;
    for (; groups > 0; groups--, w += 2 * GROUP, x += step) {
        MULTIPLY(0);
        MULTIPLY(1);
        MULTIPLY(2);
        MULTIPLY(3);
    }
    sums[0] = a;
    sums[1] = b;
    sums[CHANNELS] = c;
    sums[CHANNELS + 1] = d;
}

SERNET_HOT static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                uint32_t pairs, const int32_t *bias, int32_t *sums, uint32_t most) {
    (void)most;
    const uint32_t groups = (size + GROUP - 1) / GROUP, step = pixels * GROUP;
    const uint32_t pair_bytes = (size + CHUNK - 1) / CHUNK * CHUNK * 2;
    for (; pairs > 0; pairs--, weights += pair_bytes, bias += 2, sums += 2) {
        if (pixels == 2)
            dot_2(columns, step, weights, groups, bias, sums);
        else
            dot_1(columns, step, weights, groups, bias, sums);
    }
}

#endif

#ifdef SERNET_HELIUM

/* Rescales the sums of `count` channels, from channel `c` on, at each position. */
SERNET_HOT static void finish(const sernet_layer *layer, uint32_t pixels, uint32_t c, uint32_t count,
                   const int32_t *sums, int8_t *out) {
    const uint32_t channels = layer->channels;
    const int32_t *multiplier = layer->multiplier + c;
    const int8_t *shift = layer->shift + c;
    const int32x4_t none = vdupq_n_s32(0);
    sernet_rescaling r = {none, none, none, vdupq_n_s32(layer->low), vdupq_n_s32(layer->high),
                   layer->zero_point};
    for (uint32_t i = 0; i < count; i += 4) {
        const mve_pred16_t lanes = vctp32q(count - i);
        const int32x4_t both = vldrbq_z_s32(shift + i, lanes);
        r.multiplier = vldrwq_z_s32(multiplier + i, lanes);
        r.to_left = vmaxq_s32(both, none);
        r.to_right = vminq_s32(both, none);
        for (uint32_t p = 0; p < pixels; p++) {
            const int32x4_t v = sernet_rescaled(&r, vld1q_s32(sums + p * CHANNELS + i));
            vstrbq_p_s32(out + p * channels + i, v, lanes);
        }
    }
}

#else

/* `finish` for a layer that is `quick`. */
SERNET_HOT static void quick_finish(const sernet_layer *layer, uint32_t pixels, uint32_t c, uint32_t count,
                         const int32_t *sums, int8_t *out) {
    const uint32_t channels = layer->channels;
    const int32_t *multiplier = layer->multiplier + c;
    const int8_t *shift = layer->shift + c;
    const int32_t bias = layer->zero_point * 2 + 1;
    for (uint32_t i = 0; i < count; i++, sums++, out++) {
        const int32_t m = *multiplier++;
        const int right = -*shift++;
        /* The zero point, and a half for rounding, before the shift. */
        const int32_t offset = bias * (1 << (right - 1));
        out[0] = sernet_saturated(sernet_quick_rescale(sums[0], m, right, offset));
        if (pixels == 1) continue;
        out[channels] = sernet_saturated(sernet_quick_rescale(sums[CHANNELS], m, right, offset));
        if (PIXELS == 2 || pixels == 2) continue;
        out[2 * channels] = sernet_saturated(sernet_quick_rescale(sums[2 * CHANNELS], m, right, offset));
    }
}

/* Rescales the sums of `count` channels, from channel `c` on, at each position. */
SERNET_HOT static void finish(const sernet_layer *layer, uint32_t pixels, uint32_t c, uint32_t count,
                   const int32_t *sums, int8_t *out) {
    if (layer->quick) {
        quick_finish(layer, pixels, c, count, sums, out);
    } else {
        for (uint32_t i = 0; i < count; i++, c++, sums++, out++)
            for (uint32_t p = 0; p < pixels; p++) {
                const int32_t v =
                    sernet_rescale(sums[p * CHANNELS], layer->multiplier[c], layer->shift[c]);
                out[p * layer->channels] =
                    (int8_t)sernet_clamp(v + layer->zero_point, layer->low, layer->high);
            }
    }
}

#endif

SERNET_INLINE void convolve(const sernet_step *s, int dilated) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = layer->channels;
    const uint32_t size =
        (uint32_t)layer->kernel_height * layer->kernel_width * sernet_input(s, 0)->channels;
    const uint32_t channel_bytes = (size + CHUNK - 1) / CHUNK * CHUNK;
    element *columns = (element *)(void *)(s->arena + layer->scratch_offset);
    int8_t *out = sernet_row(layer, s->arena, s->step);
#ifdef SERNET_HELIUM
    const uint32_t most = PIXELS; /* three columns of int8 fit into the memory of two of int16 */
#else
    const uint32_t most = layer->pixels < PIXELS ? layer->pixels : PIXELS;
#endif
    for (uint32_t x = 0; x < layer->width;) {
        const uint32_t pixels = layer->width - x < most ? layer->width - x : most;
        if (dilated)
            gather_dilated(s, x, pixels, size, columns);
        else if (is_single(layer, sernet_input(s, 0)))
            gather_single(s, x, pixels, size, columns);
        else
            gather(s, x, pixels, size, columns);
        for (uint32_t c = 0; c < channels; c += CHANNELS) {
            const uint32_t count = channels - c < CHANNELS ? channels - c : CHANNELS;
            int32_t sums[PIXELS * CHANNELS];
            dot(pixels, columns, layer->weights + c * channel_bytes, size, (count + 1) / 2,
                layer->bias + c, sums, layer->part_groups);
            finish(layer, pixels, c, count, sums, out + c);
        }
        x += pixels;
        out += pixels * channels;
    }
}

SERNET_HOT void sernet_conv(const sernet_step *s) { convolve(s, 0); }

/* For weights in a slow memory: reads each weight once for up to `pixels` positions. */
SERNET_HOT void sernet_conv_copied(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels;
    const uint32_t size =
        (uint32_t)layer->kernel_height * layer->kernel_width * source->channels;
    const uint32_t channel_bytes = (size + CHUNK - 1) / CHUNK * CHUNK;
    int8_t *weights = s->arena + layer->scratch_offset;
    element *columns = (element *)(void *)(weights + COPIED * channel_bytes);
    int8_t *row = sernet_row(layer, s->arena, s->step);
    for (uint32_t first = 0; first < layer->width; first += layer->pixels) {
        const uint32_t left = layer->width - first;
        const uint32_t count = left < layer->pixels ? left : layer->pixels;
        for (uint32_t p = 0; p < count; p += PIXELS) {
            const uint32_t pixels = count - p < PIXELS ? count - p : PIXELS;
            if (layer->dilation_height > 1 || layer->dilation_width > 1)
                gather_dilated(s, first + p, pixels, size, columns + p * channel_bytes);
            else if (is_single(layer, source))
                gather_single(s, first + p, pixels, size, columns + p * channel_bytes);
            else
                gather(s, first + p, pixels, size, columns + p * channel_bytes);
        }
        for (uint32_t c = 0; c < channels; c += COPIED) {
            const uint32_t some = channels - c < COPIED ? channels - c : COPIED;
            const uint32_t pairs = (some + 1) / 2;
            memcpy(weights, layer->weights + c * channel_bytes, 2 * pairs * channel_bytes);
            for (uint32_t p = 0; p < count; p += PIXELS) {
                const uint32_t pixels = count - p < PIXELS ? count - p : PIXELS;
                int32_t sums[PIXELS * CHANNELS];
                dot(pixels, columns + p * channel_bytes, weights, size, pairs, layer->bias + c,
                    sums, layer->part_groups);
                finish(layer, pixels, c, some, sums, row + (first + p) * channels + c);
            }
        }
    }
}

SERNET_HOT void sernet_conv_dilated(const sernet_step *s) { convolve(s, 1); }

/* Adds the products of a piece of a row with its weights for all channels. */
SERNET_HOT static void add_piece(const int8_t *in, uint32_t size, const int8_t *weights, uint32_t pair_bytes,
                      uint32_t pairs, int32_t *sums, element *columns, uint32_t most) {
    cursor to = start_column(columns, 0, 1, size);
    copy(&to, in, (int32_t)size);
    end_column(&to);
    for (; pairs > 0; pairs--, weights += pair_bytes, sums += 2)
        dot(1, columns, weights, size, 1, sums, sums, most);
}

/* Adds one row of the input to all outputs; the sums stay in the working memory between steps. */
SERNET_HOT void sernet_dense(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels, pairs = (channels + 1u) / 2u;
    const uint32_t size = (uint32_t)source->width * source->channels;
    const uint32_t pair_bytes = (size + CHUNK - 1) / CHUNK * CHUNK * 2;
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    element *columns = (element *)(void *)(sums + 2 * pairs);
    const int8_t *in = sernet_row(source, s->arena, s->step);
    const int8_t *weights = layer->weights + s->step * pairs * pair_bytes;
    if (s->step == 0) memcpy(sums, layer->bias, 2 * pairs * sizeof *sums);
    for (uint32_t start = 0; start < size; start += PIECE) {
        const uint32_t part = size - start < PIECE ? size - start : PIECE;
        add_piece(in + start, part, weights + 2 * start, pair_bytes, pairs, sums, columns,
                  layer->part_groups);
    }
    if (s->step + 1u < layer->join) return;
    int8_t *out = sernet_row(layer, s->arena, 0);
    for (uint32_t c = 0; c < channels; c += CHANNELS) {
        const uint32_t count = channels - c < CHANNELS ? channels - c : CHANNELS;
        finish(layer, 1, c, count, sums + c, out + c);
    }
}
