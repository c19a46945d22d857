/* DEPTHWISE_CONV_2D: one row of output.
 *
 * The sums of a few channels stay in registers from the first tap to the last. The kernel
 * multiplies raw inputs; the bias corrects for their zero point, so a tap outside the input reads
 * the zero point. */
#include "sernet_kernels.h"

#include <string.h>

static sernet_taps taps_at(uint32_t position, uint32_t stride, uint32_t pad, uint32_t kernel,
                           uint32_t size, int32_t dilation) {
    sernet_taps t = sernet_taps_at(position, stride, pad, kernel, size);
    if (dilation == 1) return t;
    t.from = (t.from + dilation - 1) / dilation;
    t.to = ((int32_t)size - t.origin + dilation - 1) / dilation;
    if (t.to > (int32_t)kernel) t.to = (int32_t)kernel;
    return t;
}

SERNET_HOT static sernet_taps rows_at(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    return taps_at(s->step, layer->stride_height, layer->pad_top, layer->kernel_height,
                   sernet_input(s, 0)->height, layer->dilation_height);
}

SERNET_HOT static sernet_taps columns_at(const sernet_step *s, uint32_t x) {
    const sernet_layer *layer = s->layer;
    return taps_at(x, layer->stride_width, layer->pad_left, layer->kernel_width,
                   sernet_input(s, 0)->width, layer->dilation_width);
}

/* For any number of output channels and any weights; keeps the sums in memory. */
SERNET_HOT void sernet_depthwise_any(const sernet_step *s) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const uint32_t channels = layer->channels, multiple = channels / source->channels;
    const int32_t down = layer->dilation_height, right = layer->dilation_width;
    int8_t *out = sernet_row(layer, s->arena, s->step);
    int32_t *sums = (int32_t *)(void *)(s->arena + layer->scratch_offset);
    const sernet_taps ty = rows_at(s);
    for (uint32_t x = 0; x < layer->width; x++) {
        const sernet_taps tx = columns_at(s, x);
        memcpy(sums, layer->bias, channels * sizeof *sums);
        for (int32_t y = 0; y < layer->kernel_height; y++) {
            const int inside = y >= ty.from && y < ty.to;
            const int8_t *row =
                inside ? sernet_row(source, s->arena, (uint32_t)(ty.origin + y * down)) : NULL;
            for (int32_t k = 0; k < layer->kernel_width; k++) {
                const int8_t *w = layer->weights + (y * layer->kernel_width + k) * (int32_t)channels;
                const int8_t *in = inside && k >= tx.from && k < tx.to
                                       ? row + (tx.origin + k * right) * source->channels
                                       : NULL;
                for (uint32_t c = 0, i = 0; i < source->channels; i++) {
                    const int32_t value = in != NULL ? in[i] : source->zero_point;
                    for (uint32_t m = 0; m < multiple; m++, c++) sums[c] += value * w[c];
                }
            }
        }
        for (uint32_t c = 0; c < channels; c++) {
            const int32_t v = sernet_rescale(sums[c], layer->multiplier[c], layer->shift[c]);
            *out++ = (int8_t)sernet_clamp(v + layer->zero_point, layer->low, layer->high);
        }
    }
}

/* One tap: offsets of the first channel's input in the arena, and of its weight in the weights. */
typedef struct {
    uint32_t in, weight;
} tap;

/* The taps of one row of output. The working memory holds the taps and a position of zero points,
 * which taps outside the input read. */
typedef struct {
    tap *taps;
    uint32_t count;
    sernet_taps rows;
    uint32_t beside; /* offset of the position of zero points in the arena */
    int32_t span;    /* positions from a row's first tap to its last */
} row_taps;

SERNET_INLINE row_taps start_row(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    row_taps r = {(tap *)(void *)(s->arena + layer->scratch_offset),
                  (uint32_t)layer->kernel_height * layer->kernel_width, rows_at(s), 0,
                  (layer->kernel_width - 1) * layer->dilation_width + 1};
    r.beside = layer->scratch_offset + r.count * (uint32_t)sizeof(tap);
    const sernet_layer *source = sernet_input(s, 0);
    memset(s->arena + r.beside, source->zero_point, source->channels);
    for (uint32_t i = 0; i < r.count; i++) r.taps[i].weight = i * source->channels;
    return r;
}

/* Sets the taps for position x. The caller must have set them for all positions before x. */
SERNET_HOT static void find_taps(const sernet_step *s, const row_taps *r, uint32_t x) {
    const sernet_layer *layer = s->layer, *source = sernet_input(s, 0);
    const int32_t left = (int32_t)(x * layer->stride_width) - layer->pad_left;
    /* If the kernel lies inside the input here and at the last position, just move the taps. */
    if (x > 0 && left >= layer->stride_width && left + r->span <= source->width) {
        const uint32_t further = (uint32_t)layer->stride_width * source->channels;
        for (uint32_t i = 0; i < r->count; i++)
            if (r->taps[i].in != r->beside) r->taps[i].in += further;
        return;
    }
    const sernet_taps columns = columns_at(s, x);
    const int32_t channels = source->channels, apart = channels * layer->dilation_width;
    tap *to = r->taps;
    for (int32_t y = 0; y < layer->kernel_height; y++) {
        int32_t k = 0;
        if (y >= r->rows.from && y < r->rows.to) {
            const uint32_t row = (uint32_t)(r->rows.origin + y * layer->dilation_height);
            int32_t at = (int32_t)(sernet_row(source, s->arena, row) - s->arena) +
                         columns.origin * channels + columns.from * apart;
            for (; k < columns.from; k++) to++->in = r->beside;
            for (; k < columns.to; k++, at += apart) to++->in = (uint32_t)at;
        }
        for (; k < layer->kernel_width; k++) to++->in = r->beside;
    }
}

#ifdef SERNET_HELIUM

#define BLOCK 16u /* channels at a time */

/* In sernet_depthwise_helium.S. */
void sernet_depthwise_sums(const tap *taps, uint32_t count, const int8_t *in, const int8_t *weights,
                           const int32_t *bias, int32_t *sums);

/* The same for fewer channels than a block. */
SERNET_HOT static void few_sums(const tap *taps, uint32_t count, const int8_t *in, const int8_t *weights,
                     const int32_t *bias, int32_t *sums, mve_pred16_t lanes) {
    const int32x4x4_t start = vld4q_s32(bias);
    int32x4_t a = start.val[0], b = start.val[1], c = start.val[2], d = start.val[3];
    for (; count > 0; count--, taps++) {
        const int8x16_t x = vldrbq_z_s8(in + taps->in, lanes);
        const int8x16_t w = vldrbq_z_s8(weights + taps->weight, lanes);
        const int16x8_t even = vmullbq_int_s8(x, w), odd = vmulltq_int_s8(x, w);
        a = vaddq_s32(a, vmovlbq_s16(even));
        c = vaddq_s32(c, vmovltq_s16(even));
        b = vaddq_s32(b, vmovlbq_s16(odd));
        d = vaddq_s32(d, vmovltq_s16(odd));
    }
    vst1q_s32(sums, a);
    vst1q_s32(sums + 4, b);
    vst1q_s32(sums + 8, c);
    vst1q_s32(sums + 12, d);
}

/* Rescales four sums of a layer that is `quick`. The later narrowing to bytes limits the values. */
static inline int32x4_t quick_rescaled(int32x4_t v, int32x4_t multiplier, int32x4_t to_right,
                                       int32_t zero_point) {
    v = vqrdmulhq_s32(v, multiplier);
    v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, to_right), 31));
    return vaddq_n_s32(vrshlq_s32(v, to_right), zero_point);
}

static inline int32x4_t any_rescaled(const sernet_layer *layer, int32x4_t v, int32x4_t multiplier,
                                     int32x4_t shift) {
    const int32x4_t none = vdupq_n_s32(0);
    const sernet_rescaling r = {multiplier, vmaxq_s32(shift, none), vminq_s32(shift, none),
                                vdupq_n_s32(layer->low), vdupq_n_s32(layer->high),
                                layer->zero_point};
    return sernet_rescaled(&r, v);
}

/* Rescales the sums of a block of channels, from channel c on. The tables have whole blocks. */
static inline int8x16_t rescaled(const sernet_layer *layer, const int32_t *sums, uint32_t c) {
    const int32x4x4_t m = vld4q_s32(layer->multiplier + c);
    const int8x16_t shifts = vldrbq_s8(layer->shift + c);
    const int16x8_t even = vmovlbq_s8(shifts), odd = vmovltq_s8(shifts);
    int16x8_t evens, odds;
    if (layer->quick) {
        const int32_t z = layer->zero_point;
        evens = vqmovnbq_s32(vdupq_n_s16(0),
                             quick_rescaled(vld1q_s32(sums), m.val[0], vmovlbq_s16(even), z));
        odds = vqmovnbq_s32(vdupq_n_s16(0),
                            quick_rescaled(vld1q_s32(sums + 4), m.val[1], vmovlbq_s16(odd), z));
        evens = vqmovntq_s32(evens,
                             quick_rescaled(vld1q_s32(sums + 8), m.val[2], vmovltq_s16(even), z));
        odds = vqmovntq_s32(odds,
                            quick_rescaled(vld1q_s32(sums + 12), m.val[3], vmovltq_s16(odd), z));
    } else {
        const int32x4_t v0 = any_rescaled(layer, vld1q_s32(sums), m.val[0], vmovlbq_s16(even));
        const int32x4_t v1 = any_rescaled(layer, vld1q_s32(sums + 4), m.val[1], vmovlbq_s16(odd));
        const int32x4_t v2 = any_rescaled(layer, vld1q_s32(sums + 8), m.val[2], vmovltq_s16(even));
        const int32x4_t v3 = any_rescaled(layer, vld1q_s32(sums + 12), m.val[3], vmovltq_s16(odd));
        evens = vmovntq_s32(vreinterpretq_s16_s32(v0), v2);
        odds = vmovntq_s32(vreinterpretq_s16_s32(v1), v3);
    }
    return vqmovntq_s16(vqmovnbq_s16(vdupq_n_s8(0), evens), odds);
}

SERNET_HOT void sernet_depthwise(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = layer->channels;
    const row_taps r = start_row(s);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    const mve_pred16_t lanes = vctp8q(channels);
    for (uint32_t x = 0; x < layer->width; x++, out += channels) {
        find_taps(s, &r, x);
        for (uint32_t next = 0; next < channels; next += BLOCK) {
            /* Sums of every fourth channel lie side by side. */
            int32_t sums[BLOCK];
            /* The last block may overlap the block before it. */
            const uint32_t c = channels - next >= BLOCK || channels < BLOCK ? next : channels - BLOCK;
            const int8_t *in = s->arena + c, *weights = layer->weights + c;
            if (channels < BLOCK)
                few_sums(r.taps, r.count, in, weights, layer->bias, sums, lanes);
            else
                sernet_depthwise_sums(r.taps, r.count, in, weights, layer->bias + c, sums);
            vstrbq_p_s8(out + c, rescaled(layer, sums, c), lanes);
        }
    }
}

/* Computes part by part: the first output of every input channel, then the second of each, ... */
SERNET_HOT void sernet_depthwise_multiple(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = sernet_input(s, 0)->channels, multiple = layer->channels / channels;
    const row_taps r = start_row(s);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    const mve_pred16_t lanes = vctp8q(channels);
    const uint8x16_t places = vmulq_n_u8(vidupq_n_u8(0, 1), (uint8_t)multiple);
    for (uint32_t x = 0; x < layer->width; x++, out += layer->channels) {
        const int8_t *weights = layer->weights;
        find_taps(s, &r, x);
        for (uint32_t part = 0; part < multiple; part++, weights += r.count * channels)
            for (uint32_t next = 0; next < channels; next += BLOCK) {
                int32_t sums[BLOCK];
                const uint32_t c =
                    channels - next >= BLOCK || channels < BLOCK ? next : channels - BLOCK;
                const uint32_t entry = part * channels + c;
                const int8_t *in = s->arena + c;
                if (channels < BLOCK)
                    few_sums(r.taps, r.count, in, weights, layer->bias + entry, sums, lanes);
                else
                    sernet_depthwise_sums(r.taps, r.count, in, weights + c, layer->bias + entry, sums);
                vstrbq_scatter_offset_p_s8(out + c * multiple + part, places,
                                           rescaled(layer, sums, entry), lanes);
            }
    }
}

#else

#define BLOCK 16u /* channels that are summed before they are rescaled */
#define QUARTER 4u

#ifdef SERNET_DSP

/* In sernet_depthwise_dsp.S. */
void sernet_depthwise_sums(const tap *taps, const tap *end, const int8_t *in, const int8_t *weights,
                           const int32_t *bias, int32_t *sums, uint32_t quarters);

#else

/* Sums of four channels at a time, starting from the bias. */
SERNET_INLINE void sernet_depthwise_sums(const tap *taps, const tap *end, const int8_t *in,
                                         const int8_t *weights, const int32_t *bias, int32_t *sums,
                                         uint32_t quarters) {
    for (; quarters > 0; quarters--, in += QUARTER, weights += QUARTER, bias += QUARTER) {
        int32_t a = bias[0], b = bias[1], c = bias[2], d = bias[3];
        for (const tap *t = taps; t < end; t++) {
            const int8_t *x = in + t->in, *w = weights + t->weight;
            a += x[0] * w[0];
            b += x[1] * w[1];
            c += x[2] * w[2];
            d += x[3] * w[3];
        }
        *sums++ = a;
        *sums++ = b;
        *sums++ = c;
        *sums++ = d;
    }
}

#endif

/* Rescales the sums of `count` channels, from channel c on; outputs lie `apart` bytes apart. */
SERNET_INLINE void finish(const sernet_layer *layer, const int32_t *sums, uint32_t c, uint32_t count,
                          int8_t *out, uint32_t apart) {
    const int32_t *multiplier = layer->multiplier + c;
    const int8_t *shift = layer->shift + c;
    if (layer->quick) {
        const int32_t bias = layer->zero_point * 2 + 1;
        for (uint32_t i = 0; i < count; i++) {
            const int right = -shift[i];
            /* The zero point, and a half for rounding, before the shift. */
            const int32_t offset = bias * (1 << (right - 1));
            out[i * apart] =
                sernet_saturated(sernet_quick_rescale(sums[i], multiplier[i], right, offset));
        }
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const int32_t v = sernet_rescale(sums[i], multiplier[i], shift[i]);
        out[i * apart] = (int8_t)sernet_clamp(v + layer->zero_point, layer->low, layer->high);
    }
}

SERNET_HOT static void finish_side_by_side(const sernet_layer *layer, const int32_t *sums, uint32_t c,
                                           uint32_t count, int8_t *out) {
    finish(layer, sums, c, count, out, 1);
}

SERNET_HOT void sernet_depthwise(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = layer->channels;
    const row_taps r = start_row(s);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width; x++, out += channels) {
        find_taps(s, &r, x);
        for (uint32_t next = 0; next < channels;) {
            const uint32_t left = channels - next, count = left < BLOCK ? left & ~3u : BLOCK;
            /* The last four channels may overlap the four before them. */
            const uint32_t c = count > 0 ? next : channels - QUARTER;
            const uint32_t quarters = count > 0 ? count / QUARTER : 1;
            int32_t sums[BLOCK];
            sernet_depthwise_sums(r.taps, r.taps + r.count, s->arena + c, layer->weights + c,
                                  layer->bias + c, sums, quarters);
            finish_side_by_side(layer, sums, c, quarters * QUARTER, out + c);
            next = c + quarters * QUARTER;
        }
    }
}

/* Computes part by part: the first output of every input channel, then the second of each, ... */
SERNET_HOT void sernet_depthwise_multiple(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = sernet_input(s, 0)->channels, multiple = layer->channels / channels;
    const row_taps r = start_row(s);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width; x++, out += layer->channels) {
        const int8_t *weights = layer->weights;
        find_taps(s, &r, x);
        for (uint32_t part = 0; part < multiple; part++, weights += r.count * channels)
            for (uint32_t next = 0; next < channels;) {
                const uint32_t left = channels - next, count = left < BLOCK ? left & ~3u : BLOCK;
                const uint32_t c = count > 0 ? next : channels - QUARTER;
                const uint32_t quarters = count > 0 ? count / QUARTER : 1;
                const uint32_t entry = part * channels + c;
                int32_t sums[BLOCK];
                sernet_depthwise_sums(r.taps, r.taps + r.count, s->arena + c, weights + c,
                                      layer->bias + entry, sums, quarters);
                finish(layer, sums, entry, quarters * QUARTER, out + c * multiple + part, multiple);
                next = c + quarters * QUARTER;
            }
    }
}

#endif
