#include "sernet_frontend.h"

#include <string.h>

#define LOG_BITS 24
#define COSINE_BITS 26
#define SUM_BITS 18
#define STEP_BITS 10
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

#if SERNET_FEATURES != SERNET_FEATURES_SPECTROGRAM
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
#endif

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

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW

int32_t sernet_frontend_mean(const int32_t *levels, uint32_t count) {
    int64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += levels[i];
    return (int32_t)(sum / (int64_t)count);
}

#else

/* What is taken out of a frame for its level: nothing, or the level's mean so far, which
 * forgets exponentially. */
static int32_t level_so_far(sernet_frontend *frontend, int32_t level) {
#if SERNET_LEVEL == SERNET_LEVEL_RUNNING
    const int64_t wide = (int64_t)level * ((int64_t)1 << (LEVEL_BITS - SUM_BITS));
    if (frontend->frames < SERNET_LEVEL_FRAMES) frontend->frames++;
    frontend->level += (wide - frontend->level) / (int64_t)frontend->frames;
    return (int32_t)(frontend->level >> (LEVEL_BITS - SUM_BITS));
#else
    (void)frontend;
    (void)level;
    return 0;
#endif
}

#endif

/* The logarithm of the energy in a band: a mel filter's, or of a spectrogram one bin's. */
static int32_t band(const sernet_bin *bins, uint32_t m, int32_t exponent) {
#if SERNET_FEATURES == SERNET_FEATURES_SPECTROGRAM
    return logarithm(bins[SERNET_FIRST_BIN + m].power, exponent);
#else
    return logarithm(filtered(bins, &sernet_mel_filters[m]), exponent);
#endif
}

#if SERNET_FEATURES == SERNET_FEATURES_MFCC

/* Features of the power spectrum in `bins`; see sernet_frontend_row. */
static int32_t features_of(sernet_frontend *frontend, int32_t exponent, sernet_kept *row) {
    int32_t logs[SERNET_MEL_BANDS];
    int64_t total = 0;
    for (uint32_t m = 0; m < SERNET_MEL_BANDS; m++) {
        logs[m] = band(frontend->bins, m, exponent);
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
#if SERNET_LEVEL != SERNET_LEVEL_WINDOW
    row[0] = quantised(c0 - level_so_far(frontend, c0), 0);
#endif
    for (uint32_t k = 1; k < SERNET_FEATURE_COUNT; k++) {
        int64_t sum = 0;
        /* The cosine of pi k (2m + 1) / (2 bands) is at index k (2m + 1). */
        uint32_t index = k;
        for (uint32_t m = 0; m < (SERNET_MEL_BANDS + 1) / 2; m++) {
            const int32_t value = logs[k % 2 == 0 ? m : SERNET_MEL_BANDS - 1 - m];
            sum += (int64_t)value * sernet_cosine[index];
            index += 2 * k;
            if (index >= 4 * SERNET_MEL_BANDS) index -= 4 * SERNET_MEL_BANDS;
        }
        const int32_t places = LOG_BITS + COSINE_BITS - SUM_BITS;
        row[k] = quantised((int32_t)((sum + ((int64_t)1 << (places - 1))) >> places), k);
    }
    return c0;
}

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
void sernet_frontend_finish(const sernet_kept *row, int32_t level, int32_t mean,
                            int8_t *features) {
    features[0] = quantised(level - mean, 0);
    memcpy(features + 1, row + 1, SERNET_FEATURE_COUNT - 1);
}
#endif

#else

static void finish(const int16_t *logs, int32_t mean, int8_t *features) {
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++)
        features[k] = quantised(logs[k] * (1 << (SUM_BITS - STEP_BITS)) - mean, k);
}

/* Features of the power spectrum in `bins`; see sernet_frontend_row. */
static int32_t features_of(sernet_frontend *frontend, int32_t exponent, sernet_kept *row) {
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    int16_t *const logs = row;
#else
    int16_t logs[SERNET_FEATURE_COUNT];
#endif
    int64_t total = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
        const int32_t places = LOG_BITS - STEP_BITS;
        logs[k] = (int16_t)((band(frontend->bins, k, exponent) + (1 << (places - 1))) >> places);
        total += logs[k];
    }
    const int32_t level = (int32_t)(total * (1 << (SUM_BITS - STEP_BITS)) / SERNET_FEATURE_COUNT);
#if SERNET_LEVEL != SERNET_LEVEL_WINDOW
    finish(logs, level_so_far(frontend, level), row);
#endif
    return level;
}

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
void sernet_frontend_finish(const sernet_kept *row, int32_t level, int32_t mean,
                            int8_t *features) {
    (void)level;
    finish(row, mean, features);
}
#endif

#endif

int32_t sernet_frontend_row(sernet_frontend *frontend, sernet_kept *row) {
    const int32_t exponent =
        sernet_spectrum(frontend->pcm, frontend->next, frontend->bins,
#ifdef SERNET_USE_CMSIS_DSP
                        frontend->spare
#else
                        NULL
#endif
        );
    frontend->missing = SERNET_FRAME_STEP_SAMPLES;
    return features_of(frontend, exponent, row);
}
