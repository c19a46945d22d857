/* CONV_2D and FULLY_CONNECTED: one row of output.
 *
 * The inputs of up to three positions are gathered into columns; then every pair of output
 * channels is multiplied with them. Padding is filled in while gathering, so the products
 * know nothing of edges. Inputs are used as they are; the bias makes up for their zero point.
 * Columns and weights end in zeros up to a whole group. */
#include "sernet_kernels.h"

#include <string.h>

#ifdef SERNET_HELIUM
#include <arm_mve.h>
#endif
#ifdef SERNET_DSP
#include <arm_acle.h>
#endif

#define PIXELS 3u    /* positions at a time; plan.py's COLUMN_PIXELS */
#define CHUNK 16u    /* a channel's weights are padded to a multiple of it */
#define CHANNELS 16u /* summed before they are rescaled */

/* Sums of a block: (PIXELS, CHANNELS). */
typedef int32_t sums_block[PIXELS * CHANNELS];

#ifdef SERNET_HELIUM

/* int8 columns one after the other, each of whole chunks. */
typedef int8_t element;

typedef struct {
    int8_t *at;
} cursor;

static cursor start_column(element *columns, uint32_t pixel, uint32_t pixels, uint32_t size) {
    (void)pixels;
    const cursor to = {columns + pixel * ((size + CHUNK - 1) / CHUNK * CHUNK)};
    return to;
}

static inline void copy(cursor *to, const int8_t *from, int32_t count) {
    for (; count > 0; count -= 16, from += 16) {
        const mve_pred16_t lanes = vctp8q((uint32_t)count);
        vstrbq_p_s8(to->at, vldrbq_z_s8(from, lanes), lanes);
        to->at += count < 16 ? count : 16;
    }
}

static inline void fill(cursor *to, int8_t value, int32_t count) {
    for (; count > 0; count -= 16) {
        vstrbq_p_s8(to->at, vdupq_n_s8(value), vctp8q((uint32_t)count));
        to->at += count < 16 ? count : 16;
    }
}

/* The weights are zero where a column's last chunk is stale. */
static void end_column(cursor *to) { (void)to; }

#else

/* int16 columns, interleaved: (groups of 4, pixels, 4). */
typedef int16_t element;

#define GROUP 4u

typedef struct {
    int16_t *group;
    uint32_t lane; /* of the next element within the group */
    uint32_t step; /* from one group of a column to the next, in elements */
} cursor;

static cursor start_column(element *columns, uint32_t pixel, uint32_t pixels, uint32_t size) {
    (void)size;
    const cursor to = {columns + pixel * GROUP, 0, pixels * GROUP};
    return to;
}

static inline void append(cursor *to, int8_t value) {
#ifdef SERNET_DSP
    /* SXTB16 takes bytes 0 and 2 of a word, then 1 and 3. */
    to->group[(to->lane & 1u) << 1 | to->lane >> 1] = value;
#else
    to->group[to->lane] = value;
#endif
    if (++to->lane == GROUP) {
        to->lane = 0;
        to->group += to->step;
    }
}

static inline void copy(cursor *to, const int8_t *from, int32_t count) {
#ifdef SERNET_DSP
    if (to->lane == 0)
        for (; count >= 4; count -= 4, from += 4, to->group += to->step) {
            uint32_t bytes, halves[2];
            memcpy(&bytes, from, sizeof bytes);
            halves[0] = __sxtb16(bytes);
            halves[1] = __sxtb16(bytes >> 8 | bytes << 24);
            memcpy(to->group, halves, sizeof halves);
        }
#endif
    for (; count > 0; count--) append(to, *from++);
}

static inline void fill(cursor *to, int8_t value, int32_t count) {
#ifdef SERNET_DSP
    const uint32_t half = (uint16_t)value, halves[2] = {half << 16 | half, half << 16 | half};
    if (to->lane == 0)
        for (; count >= 4; count -= 4, to->group += to->step)
            memcpy(to->group, halves, sizeof halves);
#endif
    for (; count > 0; count--) append(to, value);
}

static void end_column(cursor *to) {
    while (to->lane != 0) append(to, 0);
}

#endif

/* Gathers the inputs of output positions x..x+pixels-1. */
static void gather(const sernet_step *s, uint32_t x, uint32_t pixels, uint32_t size,
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

#if defined(SERNET_HELIUM)

/* Sums of a pair of channels at up to three positions, from the bias on. */
static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                const int32_t *bias, int32_t *sums) {
    const uint32_t chunks = (size + CHUNK - 1) / CHUNK;
    const int8_t *x0 = columns, *x1 = x0 + chunks * CHUNK, *x2 = x1 + chunks * CHUNK;
    int32_t a0 = bias[0], b0 = bias[1], a1 = a0, b1 = b0, a2 = a0, b2 = b0;
    if (pixels == 3) {
        __asm volatile(
            "wls lr, %[n], 2f\n"
            "1:\n"
            "vldrb.8 q0, [%[w]], #16\n"
            "vldrb.8 q2, [%[x0]], #16\n"
            "vmladava.s8 %[a0], q0, q2\n"
            "vldrb.8 q1, [%[w]], #16\n"
            "vmladava.s8 %[b0], q1, q2\n"
            "vldrb.8 q3, [%[x1]], #16\n"
            "vmladava.s8 %[a1], q0, q3\n"
            "vldrb.8 q4, [%[x2]], #16\n"
            "vmladava.s8 %[b1], q1, q3\n"
            "vmladava.s8 %[a2], q0, q4\n"
            "vmladava.s8 %[b2], q1, q4\n"
            "le lr, 1b\n"
            "2:\n"
            : [w] "+r"(weights), [x0] "+r"(x0), [x1] "+r"(x1), [x2] "+r"(x2), [a0] "+Te"(a0),
              [b0] "+Te"(b0), [a1] "+Te"(a1), [b1] "+Te"(b1), [a2] "+Te"(a2), [b2] "+Te"(b2)
            : [n] "r"(chunks)
            : "q0", "q1", "q2", "q3", "q4", "lr", "memory");
        sums[2 * CHANNELS] = a2;
        sums[2 * CHANNELS + 1] = b2;
    } else if (pixels == 2) {
        for (uint32_t i = 0; i < chunks; i++, weights += 2 * CHUNK, x0 += CHUNK, x1 += CHUNK) {
            const int8x16_t u = vldrbq_s8(weights), v = vldrbq_s8(weights + CHUNK);
            const int8x16_t p = vldrbq_s8(x0), q = vldrbq_s8(x1);
            a0 = vmladavaq_s8(a0, u, p);
            b0 = vmladavaq_s8(b0, v, p);
            a1 = vmladavaq_s8(a1, u, q);
            b1 = vmladavaq_s8(b1, v, q);
        }
    } else {
        for (uint32_t i = 0; i < chunks; i++, weights += 2 * CHUNK, x0 += CHUNK) {
            const int8x16_t p = vldrbq_s8(x0);
            a0 = vmladavaq_s8(a0, vldrbq_s8(weights), p);
            b0 = vmladavaq_s8(b0, vldrbq_s8(weights + CHUNK), p);
        }
    }
    sums[0] = a0;
    sums[1] = b0;
    sums[CHANNELS] = a1;
    sums[CHANNELS + 1] = b1;
}

#elif defined(SERNET_DSP)

/* sernet_dot_dsp.S */
void sernet_dot_1(const int16_t *columns, const int8_t *weights, uint32_t groups, int32_t *sums,
                  const int32_t *bias);
void sernet_dot_2(const int16_t *columns, const int8_t *weights, uint32_t groups, int32_t *sums,
                  const int32_t *bias);
void sernet_dot_3(const int16_t *columns, const int8_t *weights, uint32_t groups, int32_t *sums,
                  const int32_t *bias);

static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                const int32_t *bias, int32_t *sums) {
    const uint32_t groups = (size + GROUP - 1) / GROUP;
    if (pixels == 3)
        sernet_dot_3(columns, weights, groups, sums, bias);
    else if (pixels == 2)
        sernet_dot_2(columns, weights, groups, sums, bias);
    else
        sernet_dot_1(columns, weights, groups, sums, bias);
}

#else

/* One position at a time needs the fewest registers of those that a plain core has. */
static void dot(uint32_t pixels, const element *columns, const int8_t *weights, uint32_t size,
                const int32_t *bias, int32_t *sums) {
    const uint32_t groups = (size + GROUP - 1) / GROUP;
    for (uint32_t p = 0; p < pixels; p++, columns += GROUP, sums += CHANNELS) {
        const int16_t *x = columns;
        const int8_t *w = weights;
        int32_t a = bias[0], b = bias[1];
        for (uint32_t g = 0; g < groups; g++, w += 2 * GROUP, x += pixels * GROUP) {
            a += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
            b += x[0] * w[4] + x[1] * w[5] + x[2] * w[6] + x[3] * w[7];
        }
        sums[0] = a;
        sums[1] = b;
    }
}

#endif

#ifdef SERNET_HELIUM

/* Rescales the sums of one position into `count` output channels from `c` on. */
static void finish(const sernet_layer *layer, uint32_t c, uint32_t count, const int32_t *sums,
                   int8_t *out) {
    for (int32_t left = (int32_t)count; left > 0; left -= 4, c += 4, sums += 4, out += 4) {
        const mve_pred16_t lanes = vctp32q((uint32_t)left);
        const int32x4_t shift = vldrbq_z_s32(layer->shift + c, lanes);
        int32x4_t v = vldrwq_z_s32(sums, lanes);
        v = vshlq_s32(v, vmaxq_s32(shift, vdupq_n_s32(0)));
        v = vqrdmulhq_s32(v, vldrwq_z_s32(layer->multiplier + c, lanes));
        const int32x4_t right = vminq_s32(shift, vdupq_n_s32(0));
        /* VRSHL rounds halves up; less one if negative makes that away from zero. */
        v = vqaddq_s32(v, vshrq_n_s32(vandq_s32(v, right), 31));
        v = vaddq_n_s32(vrshlq_s32(v, right), layer->zero_point);
        v = vminq_s32(vmaxq_s32(v, vdupq_n_s32(layer->low)), vdupq_n_s32(layer->high));
        vstrbq_p_s32(out, v, lanes);
    }
}

#else

static void finish(const sernet_layer *layer, uint32_t c, uint32_t count, const int32_t *sums,
                   int8_t *out) {
    const int32_t *multiplier = layer->multiplier + c;
    const int8_t *shift = layer->shift + c;
    const int32_t zero_point = layer->zero_point, low = layer->low, high = layer->high;
    if (layer->quick) {
        for (uint32_t i = 0; i < count; i++) {
            /* `sernet_high` of a sum below 2^30, in one instruction where there is one. */
            const int64_t product = (int64_t)(sums[i] * 2) * multiplier[i];
            int32_t v = (int32_t)((product + 0x80000000) >> 32);
            /* `sernet_round_shift` by at least 1. */
            const int right = -shift[i];
            v = (v + (1 << (right - 1)) + (v >> 31)) >> right;
            out[i] = (int8_t)sernet_clamp(v + zero_point, low, high);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            const int32_t v = sernet_rescale(sums[i], multiplier[i], shift[i]);
            out[i] = (int8_t)sernet_clamp(v + zero_point, low, high);
        }
    }
}

#endif

void sernet_conv(const sernet_step *s) {
    const sernet_layer *layer = s->layer;
    const uint32_t channels = layer->channels;
    const uint32_t size =
        (uint32_t)layer->kernel_height * layer->kernel_width * sernet_input(s, 0)->channels;
    const uint32_t pair_bytes = (size + CHUNK - 1) / CHUNK * CHUNK * 2;
    element *columns = (element *)(void *)(s->arena + layer->scratch_offset);
    int8_t *out = sernet_row(layer, s->arena, s->step);
    for (uint32_t x = 0; x < layer->width;) {
        const uint32_t pixels = layer->width - x < PIXELS ? layer->width - x : PIXELS;
        const int8_t *weights = layer->weights;
        gather(s, x, pixels, size, columns);
        for (uint32_t c = 0; c < channels; c += CHANNELS) {
            const uint32_t count = channels - c < CHANNELS ? channels - c : CHANNELS;
            sums_block sums;
            for (uint32_t i = 0; i < count; i += 2, weights += pair_bytes)
                dot(pixels, columns, weights, size, layer->bias + c + i, sums + i);
            for (uint32_t p = 0; p < pixels; p++)
                finish(layer, c, count, sums + p * CHANNELS, out + p * channels + c);
        }
        x += pixels;
        out += pixels * channels;
    }
}
