#include "sernet_frontend.h"

#include <string.h>

#include "sernet_log.h"

#define COSINE_BITS 30
#define SUM_BITS 18
#define STEP_BITS 10
#define LEVEL_BITS 36
/* The sum of this many logarithms fits 32 bits. */
#define MOST_BANDS_ADDED 8

void sernet_frontend_reset(sernet_frontend *frontend) {
    memset(frontend, 0, sizeof *frontend);
    frontend->missing = SERNET_FRAME_LENGTH_SAMPLES;
}

void sernet_frontend_take(sernet_frontend *frontend, const int16_t *pcm, uint32_t count) {
    frontend->missing -= count;
    while (count > 0) {
        const uint32_t room = SERNET_FRAME_LENGTH_SAMPLES - frontend->next;
        const uint32_t part = count < room ? count : room;
        memcpy(frontend->frame.samples + frontend->next, pcm, part * sizeof *pcm);
        frontend->next = part < room ? frontend->next + part : 0;
        pcm += part;
        count -= part;
    }
}

#if SERNET_FEATURES == SERNET_FEATURES_MICRO

/* Computes features from the power spectrum in `bins`; see sernet_frontend_row. */
SERNET_APART int32_t features_of(sernet_frontend *frontend, const sernet_bin *bins, int32_t shift,
                                 sernet_kept *row) {
    sernet_micro_row(bins, (uint32_t)shift, frontend->noise, row);
    return 0;
}

#else

/* ln(x * 2^exponent), at least the contract's floor. */
static int32_t logarithm(uint64_t x, int32_t exponent) {
    const int32_t log = x == 0 ? SERNET_LOG_FLOOR : sernet_log(x, exponent);
    return log < SERNET_LOG_FLOOR ? SERNET_LOG_FLOOR : log;
}

#if SERNET_FEATURES != SERNET_FEATURES_SPECTROGRAM

/* x * fraction / 2^32 */
static uint64_t fraction_of(uint64_t x, uint32_t fraction) {
    return (x >> 32) * fraction + (((x & UINT32_MAX) * fraction) >> 32);
}

/* Logarithms of the mel bands' energies. The power between two corners is split in two: the part
 * weighted by the rising side of one band, and the rest, which belongs to the falling side of the
 * band before. */
static void logarithms(const sernet_bin *bins, int32_t exponent, int32_t *logs) {
    uint64_t risen = 0;
    for (uint32_t m = 0; m <= SERNET_MEL_BANDS; m++) {
        const sernet_bin *low = &bins[sernet_mel_corners[m]], *bin;
        uint64_t sum = 0, rising = 0;
        if (sernet_mel_corners[m + 1] > sernet_mel_corners[m]) {
            /* The sum of running sums weights bins more, the nearer they are to the upper corner.
             * */
            for (bin = &bins[sernet_mel_corners[m + 1]]; --bin > low;) {
                sum += bin->power;
                rising += sum >> SERNET_MEL_SHIFT;
            }
            sum += low->power;
            rising = fraction_of(rising, sernet_mel_reciprocals[m]) << SERNET_MEL_SHIFT;
        }
        if (m > 0) logs[m - 1] = logarithm(risen + sum - rising, exponent);
        risen = rising;
    }
}

#endif

/* gain * sum - offset, rounded half to even like NumPy's rint, then limited. */
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

/* The level to subtract from a frame: 0, or the mean of the levels so far, in which older levels
 * count exponentially less. */
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

#if SERNET_FEATURES == SERNET_FEATURES_MFCC

/* Adds a band's logarithm times cos(pi k (2m + 1) / (2 bands)), which has the index k (2m + 1) in
 * the table; moves the index to the next band. */
static inline int64_t plus_band(int64_t sum, int32_t log, uint32_t *index, uint32_t k) {
    const int32_t cosine = sernet_cosine[*index];
    *index = (*index + 2 * k) % (4 * SERNET_MEL_BANDS);
    return sum + (int64_t)log * cosine;
}

/* The sum over `count` bands, from `logs` up (direction 1) or down (-1), Q18. */
static int32_t projected(const int32_t *logs, int32_t direction, uint32_t count, uint32_t k) {
    int64_t sum = (int64_t)1 << (SERNET_LOG_BITS + COSINE_BITS - SUM_BITS - 1);
    uint32_t index = k;
    for (; count % 4 != 0; count--, logs += direction) sum = plus_band(sum, *logs, &index, k);
    for (; count > 0; count -= 4, logs += 4 * direction) {
        sum = plus_band(sum, logs[0], &index, k);
        sum = plus_band(sum, logs[direction], &index, k);
        sum = plus_band(sum, logs[2 * direction], &index, k);
        sum = plus_band(sum, logs[3 * direction], &index, k);
    }
    return (int32_t)(sum >> (SERNET_LOG_BITS + COSINE_BITS - SUM_BITS));
}

/* Computes all features except the first from the bands' logarithms, and overwrites these.
 *
 * The cosines are even or odd about the middle. So odd coefficients need only the differences of
 * the two halves of the bands, and even coefficients only their sums; for the sums the same step
 * repeats. */
static void transform(int32_t *logs, sernet_kept *row) {
    uint32_t count = SERNET_MEL_BANDS, step = 1, is_even;
    do {
        is_even = count % 2 == 0;
        for (uint32_t m = 0; m < count / 2; m++) {
            const int32_t low = logs[m], high = logs[count - 1 - m];
            logs[m] = low + high;
            logs[count - 1 - m] = low - high;
        }
        for (uint32_t k = step; k < SERNET_FEATURE_COUNT; k += 2 * step)
            row[k] = quantised(projected(logs + count - 1, -1, count / 2, k), k);
        count -= count / 2;
        step *= 2;
    } while (is_even && step < MOST_BANDS_ADDED);
    for (uint32_t k = step; k < SERNET_FEATURE_COUNT; k += step)
        row[k] = quantised(projected(logs, 1, count, k), k);
}

/* Computes features from the power spectrum in `bins`; see sernet_frontend_row. */
SERNET_APART int32_t features_of(sernet_frontend *frontend, const sernet_bin *bins,
                                 int32_t exponent, sernet_kept *row) {
    (void)frontend; /* the level "window" does not use it */
    int32_t logs[SERNET_MEL_BANDS];
    logarithms(bins, exponent, logs);
#ifdef SERNET_FIRST_FEATURE_IS_ENERGY
    uint64_t power = 0;
    for (uint32_t k = 0; k < SERNET_POWERS; k++) power += bins[k].power;
    const int32_t c0 = logarithm(power, exponent) >> (SERNET_LOG_BITS - SUM_BITS);
#else
    int64_t total = 0;
    for (uint32_t m = 0; m < SERNET_MEL_BANDS; m++) total += logs[m];
    const int32_t c0 = (int32_t)(total >> (SERNET_LOG_BITS - SUM_BITS));
#endif
#if SERNET_LEVEL != SERNET_LEVEL_WINDOW
    row[0] = quantised(c0 - level_so_far(frontend, c0), 0);
#endif
    transform(logs, row);
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

/* Computes features from the power spectrum in `bins`; see sernet_frontend_row. */
SERNET_APART int32_t features_of(sernet_frontend *frontend, const sernet_bin *bins,
                                 int32_t exponent, sernet_kept *row) {
    (void)frontend; /* the level "window" does not use it */
    const int32_t places = SERNET_LOG_BITS - STEP_BITS;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    int16_t *const steps = row;
#else
    int16_t steps[SERNET_FEATURE_COUNT];
#endif
#if SERNET_FEATURES == SERNET_FEATURES_MEL
    int32_t logs[SERNET_MEL_BANDS];
    logarithms(bins, exponent, logs);
#endif
    int64_t total = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
#if SERNET_FEATURES == SERNET_FEATURES_MEL
        const int32_t log = logs[k];
#else
        const int32_t log = logarithm(bins[SERNET_FIRST_BIN + k].power, exponent);
#endif
        steps[k] = (int16_t)((log + (1 << (places - 1))) >> places);
        total += steps[k];
    }
    const int32_t level = (int32_t)(total * (1 << (SUM_BITS - STEP_BITS)) / SERNET_FEATURE_COUNT);
#if SERNET_LEVEL != SERNET_LEVEL_WINDOW
    finish(steps, level_so_far(frontend, level), row);
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

#endif

#ifdef SERNET_GATE

#if SERNET_FRAME_STEP_SAMPLES < SERNET_FRAME_LENGTH_SAMPLES
#define NEWEST SERNET_FRAME_STEP_SAMPLES
#else
#define NEWEST SERNET_FRAME_LENGTH_SAMPLES
#endif

/* Whether the newest frame's new samples are too quiet for speech; an offset does not count. */
static int is_quiet(const sernet_frontend *frontend) {
    const double least = SERNET_GATE_POWER * (double)NEWEST * (double)NEWEST;
    int32_t sum = 0;
    uint64_t squares = 0;
    for (uint32_t n = 0, at = frontend->next; n < NEWEST; n++) {
        at = at == 0 ? SERNET_FRAME_LENGTH_SAMPLES - 1 : at - 1;
        const int32_t sample = frontend->frame.samples[at];
        sum += sample;
        squares += (uint32_t)(sample * sample);
    }
    /* The variance of the samples times their squared number. */
    return NEWEST * squares - (uint64_t)((int64_t)sum * sum) < (uint64_t)least;
}

/* Whether the gate is closed at the newest frame. */
static int is_gated(sernet_frontend *frontend) {
    if (!is_quiet(frontend))
        frontend->quiet = 0;
    else if (frontend->quiet <= SERNET_GATE_FRAMES)
        frontend->quiet++;
    return frontend->quiet > SERNET_GATE_FRAMES;
}

#endif

/* Computes the frame's power spectrum in `bins`. */
static int32_t spectrum_of(const sernet_frontend *frontend, sernet_bin *bins) {
#ifdef SERNET_PREEMPHASIS
    return sernet_spectrum(&frontend->frame, frontend->next, frontend->before, bins);
#else
    return sernet_spectrum(&frontend->frame, frontend->next, 0, bins);
#endif
}

/* Prepares the next frame. */
static void go_on(sernet_frontend *frontend) {
    frontend->missing = SERNET_FRAME_STEP_SAMPLES;
#ifdef SERNET_PREEMPHASIS
    const uint32_t at = frontend->next + SERNET_FRAME_STEP_SAMPLES - 1;
    frontend->before = frontend->frame.samples[at % SERNET_FRAME_LENGTH_SAMPLES];
#endif
}

int32_t sernet_frontend_row(sernet_frontend *frontend, sernet_bin *bins, sernet_kept *row) {
#ifdef SERNET_GATE
    if (is_gated(frontend)) {
        /* The spectrum of digital silence. */
        go_on(frontend);
        memset(bins, 0, SERNET_POWERS * sizeof *bins);
        return features_of(frontend, bins, 0, row);
    }
#endif
    const int32_t exponent = spectrum_of(frontend, bins);
    go_on(frontend);
    return features_of(frontend, bins, exponent, row);
}
