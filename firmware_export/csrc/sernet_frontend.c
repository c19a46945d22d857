#include "sernet_frontend.h"

#include <string.h>

#define LOG_BITS 24
#define COSINE_BITS 26
#define SUM_BITS 18
#define LEVEL_BITS 36
#define LN2_Q30 744261118
#define LOG_INDEX_BITS 5

void sernet_frontend_reset(sernet_frontend *frontend) {
    memset(frontend, 0, sizeof *frontend);
    frontend->missing = SERNET_FRAME_LENGTH_SAMPLES;
}

void sernet_frontend_take(sernet_frontend *frontend, const int16_t *pcm, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        frontend->pcm[frontend->next] = pcm[i];
        frontend->next = frontend->next + 1 < SERNET_FRAME_LENGTH_SAMPLES ? frontend->next + 1 : 0;
    }
    frontend->missing -= count;
}

/* Splits x > 0 into mantissa / 2^31 in 1..2 and a power of two, whose exponent it returns;
 * a mantissa of 0 stands for 0. */
#ifdef SERNET_FIXED_POINT
static int32_t split(uint64_t x, uint32_t *mantissa) {
    int32_t exponent = 63;
    for (int32_t step = 32; step > 0 && x != 0; step /= 2)
        if (x >> (64 - step) == 0) {
            x <<= step;
            exponent -= step;
        }
    *mantissa = (uint32_t)(x >> 32);
    return exponent;
}
#else
static int32_t split(float x, uint32_t *mantissa) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    *mantissa = bits >> 23 == 0 ? 0 : (bits | 0x800000u) << 8;
    return (int32_t)(bits >> 23) - 127;
}
#endif

/* ln(x * 2^exponent), Q24, at least the contract's floor; right to 1e-7. */
static int32_t logarithm(sernet_power x, int32_t exponent) {
    uint32_t mantissa;
    exponent += split(x, &mantissa);
    if (mantissa == 0) return SERNET_LOG_FLOOR;
    const sernet_log_entry *entry =
        &sernet_log_table[(mantissa >> (31 - LOG_INDEX_BITS)) - (1u << LOG_INDEX_BITS)];
    /* mantissa = entry * (1 + r), |r| < 1/64; ln(1 + r) as a series, all in Q30. */
    const int64_t product = (int64_t)(((uint64_t)mantissa * entry->reciprocal) >> 33);
    const int64_t r = product - (1 << 30);
    const int64_t cubic = (1 << 30) / 3 - r / 4;
    const int64_t square = (1 << 29) - ((r * cubic) >> 30);
    const int64_t series = r - ((((r * r) >> 30) * square) >> 30);
    const int64_t log = (int64_t)exponent * LN2_Q30 + entry->log + series;
    const int64_t rounded = (log + (1 << (29 - LOG_BITS))) >> (30 - LOG_BITS);
    return rounded < SERNET_LOG_FLOOR ? SERNET_LOG_FLOOR : (int32_t)rounded;
}

/* The energy in a triangle. Adding a running sum for each bin weighs the first one most. */
static sernet_power filtered(const sernet_bin *bins, const sernet_mel_filter *filter) {
    const uint32_t peak = (uint32_t)filter->start + filter->rise;
    sernet_power sum = 0, rising = 0, falling = 0;
    for (uint32_t k = peak; k-- > filter->start;) {
        sum += bins[k].power;
        rising += sum;
    }
    sum = 0;
    for (uint32_t k = peak; k < peak + filter->fall; k++) {
        sum += bins[k].power;
        falling += sum;
    }
    rising /= (sernet_power)(filter->rise + 1);
    return filter->fall == 0 ? rising : rising + falling / (sernet_power)filter->fall;
}

/* gain * sum - offset, rounded half to even as NumPy's rint does, then limited. */
static int8_t quantised(int32_t sum, uint32_t k) {
    const int64_t half = (int64_t)1 << (SUM_BITS + SERNET_GAIN_BITS - 1);
    const int64_t above = (int64_t)sum * sernet_gain[k] - sernet_offset[k] + half;
    int64_t value = above >> (SUM_BITS + SERNET_GAIN_BITS);
    if ((above & (2 * half - 1)) == 0) value -= value & 1;
    value += SERNET_FEATURE_ZERO_POINT;
    if (value < SERNET_FEATURE_LOW) return SERNET_FEATURE_LOW;
    if (value > SERNET_FEATURE_HIGH) return SERNET_FEATURE_HIGH;
    return (int8_t)value;
}

int8_t sernet_frontend_c0(int32_t c0) { return quantised(c0, 0); }

int32_t sernet_frontend_mean(const int32_t *c0, uint32_t count) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += c0[i];
    return (int32_t)(sum / (int64_t)count);
}

#if SERNET_LEVEL == SERNET_LEVEL_RUNNING
/* Returns c0 less its mean so far, which forgets exponentially. */
static int32_t without_level(sernet_frontend *frontend, int32_t c0) {
    const int64_t wide = (int64_t)c0 * ((int64_t)1 << (LEVEL_BITS - SUM_BITS));
    if (frontend->frames < SERNET_LEVEL_FRAMES) frontend->frames++;
    frontend->level += (wide - frontend->level) / (int64_t)frontend->frames;
    return (int32_t)((wide - frontend->level) >> (LEVEL_BITS - SUM_BITS));
}
#endif

int32_t sernet_frontend_row(sernet_frontend *frontend, int8_t *row) {
    const int32_t exponent =
        sernet_spectrum(frontend->pcm, frontend->next, frontend->bins,
#ifdef SERNET_USE_CMSIS_DSP
                        frontend->spare
#else
                        NULL
#endif
        );
    int32_t logs[SERNET_MEL_BANDS];
    int64_t total = 0;
    for (uint32_t m = 0; m < SERNET_MEL_BANDS; m++) {
        logs[m] = logarithm(filtered(frontend->bins, &sernet_mel_filters[m]), exponent);
        total += logs[m];
    }
    const int32_t c0 = (int32_t)(total >> (LOG_BITS - SUM_BITS));
    /* The cosines are even or odd about the middle: sums of the two halves' bands are all that
     * even coefficients need, and differences all that odd ones do. */
    for (uint32_t m = 0; m < SERNET_MEL_BANDS / 2; m++) {
        const int32_t low = logs[m], high = logs[SERNET_MEL_BANDS - 1 - m];
        logs[m] = low + high;
        logs[SERNET_MEL_BANDS - 1 - m] = low - high;
    }
#if SERNET_LEVEL == SERNET_LEVEL_RUNNING
    row[0] = quantised(without_level(frontend, c0), 0);
#elif SERNET_LEVEL == SERNET_LEVEL_NONE
    row[0] = quantised(c0, 0);
#endif
    for (uint32_t k = 1; k < SERNET_MFCC_COUNT; k++) {
        int64_t sum = 0;
        /* The cosine of pi k (2m + 1) / (2 bands) is at index k (2m + 1). */
        uint32_t index = k;
        for (uint32_t m = 0; m < (SERNET_MEL_BANDS + 1) / 2; m++) {
            const int32_t band = logs[k % 2 == 0 ? m : SERNET_MEL_BANDS - 1 - m];
            sum += (int64_t)band * sernet_cosine[index];
            index += 2 * k;
            if (index >= 4 * SERNET_MEL_BANDS) index -= 4 * SERNET_MEL_BANDS;
        }
        const int32_t places = LOG_BITS + COSINE_BITS - SUM_BITS;
        row[k] = quantised((int32_t)((sum + ((int64_t)1 << (places - 1))) >> places), k);
    }
    frontend->missing = SERNET_FRAME_STEP_SAMPLES;
    return c0;
}
