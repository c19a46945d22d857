/* Private to the interface: passes rows of features to the network. sernet_windows.c is for whole
 * windows, sernet_shared_rows.c for shared rows; an export has only the file that its model
 * needs. */
#ifndef SERNET_ROWS_H
#define SERNET_ROWS_H

#include "sernet.h"

/* Starts a stream. */
void sernet_rows_reset(sernet_state *s);

/* Whether there is room for the features of the next frame. */
int sernet_rows_have_room(const sernet_state *s);

/* Computes and stores the features of the complete frame. */
void sernet_rows_add(sernet_state *s);

/* See `sernet_work`. */
int sernet_rows_work(sernet_state *s);

/* If a result is due: sets its `frames` and `saturated`, starts the next window, and returns the
 * network's output, which is valid until more work is done. Otherwise returns null. */
const int8_t *sernet_rows_finish(sernet_state *s, sernet_result *result);

/* Working memory for the spectrum of a frame, between two parts of the network's work. */
static inline sernet_bin *sernet_bins(sernet_state *s) {
#ifdef SERNET_MODEL_CALLER_BYTES
    return (sernet_bin *)(void *)((int8_t *)s->net + SERNET_MODEL_CALLER_OFFSET);
#else
    return s->bins;
#endif
}

/* The number of features of a row at a limit of their range. */
static inline uint32_t sernet_saturated(const int8_t *row) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++)
        count += row[k] == SERNET_FEATURE_LOW || row[k] == SERNET_FEATURE_HIGH;
    return count;
}

/* These three measure the drift, if SERNET_MEASURE_DRIFT is defined; otherwise they do nothing. */
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
