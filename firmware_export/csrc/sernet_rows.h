/* Private to the interface: how rows of features come to the network. sernet_windows.c computes
 * each window whole, sernet_shared_rows.c each row once; a program has the one that its model
 * was exported with. */
#ifndef SERNET_ROWS_H
#define SERNET_ROWS_H

#include "sernet.h"

/* Starts a stream. */
void sernet_rows_reset(sernet_state *s);

/* Whether there is room for the features of the next frame. */
int sernet_rows_have_room(const sernet_state *s);

/* Computes and keeps the features of the frame that is complete. */
void sernet_rows_add(sernet_state *s);

/* See `sernet_work`. */
int sernet_rows_work(sernet_state *s);

/* If a result is due, writes its `frames` and `saturated`, goes on to the next window and returns
 * the network's output, valid until the next work; else returns null. */
const int8_t *sernet_rows_finish(sernet_state *s, sernet_result *result);

/* Working memory for the spectrum of a frame, between two parts of the network's work. */
static inline sernet_bin *sernet_bins(sernet_state *s) {
#ifdef SERNET_MODEL_CALLER_BYTES
    return (sernet_bin *)(void *)((int8_t *)s->net + SERNET_MODEL_CALLER_OFFSET);
#else
    return s->bins;
#endif
}

/* Features of a row at a limit of their range. */
static inline uint32_t sernet_saturated(const int8_t *row) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++)
        count += row[k] == SERNET_FEATURE_LOW || row[k] == SERNET_FEATURE_HIGH;
    return count;
}

/* The drift of windows, where the program measures it: of the rows that the network takes. */
static inline void sernet_start_drift(sernet_state *s) {
#ifdef SERNET_MEASURE_DRIFT
    sernet_drift_reset(&s->drift);
#else
    (void)s;
#endif
}

static inline void sernet_add_drift(sernet_state *s, const int8_t *row) {
#ifdef SERNET_MEASURE_DRIFT
    sernet_drift_add(&s->drift, row);
#else
    (void)s, (void)row;
#endif
}

static inline void sernet_tell_drift(const sernet_state *s, sernet_result *result) {
#ifdef SERNET_MEASURE_DRIFT
    result->drift = sernet_drift(&s->drift);
#else
    (void)s, (void)result;
#endif
}

static inline uint16_t sernet_at_most_16_bits(uint32_t x) {
    return x < UINT16_MAX ? (uint16_t)x : UINT16_MAX;
}

#endif
