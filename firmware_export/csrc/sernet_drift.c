/* Computes the drift of sernet-edge's runtime/drift.py in integers. */
#include "sernet_drift.h"

#include <string.h>

#include "sernet_log.h"

void sernet_drift_reset(sernet_drift_meter *meter) { memset(meter, 0, sizeof *meter); }

/* Whether a piece ends after `frames` frames of a hop. */
static int is_cut(uint32_t frames) {
    return frames == SERNET_DRIFT_HOP || (frames > 0 && frames == SERNET_DRIFT_PIECE);
}

void sernet_drift_add(sernet_drift_meter *meter, const int8_t *row) {
    if (is_cut(meter->frames)) {
        meter->piece = (meter->piece + 1) % SERNET_DRIFT_PIECES;
        memset(meter->sums[meter->piece], 0, sizeof meter->sums[0]);
        memset(meter->squares[meter->piece], 0, sizeof meter->squares[0]);
    }
    if (meter->frames == SERNET_DRIFT_HOP) meter->frames = 0;
    meter->frames++;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
        const int32_t value = row[k] - SERNET_FEATURE_ZERO_POINT;
        meter->sums[meter->piece][k] += value;
        meter->squares[meter->piece][k] += (uint32_t)(value * value);
    }
}

/* The drift of one feature, Q22. */
static int64_t deviation(int64_t sum, uint64_t squares) {
    const uint64_t distance = (uint64_t)(sum < 0 ? -sum : sum);
    /* The variance times the squared number of frames. */
    const uint64_t variance = SERNET_WINDOW_FRAMES * squares - distance * distance;
    const uint64_t least = SERNET_DRIFT_LEAST_VARIANCE;
    const int32_t spread =
        sernet_log(variance < least ? least : variance, 0) / 2 + SERNET_DRIFT_LOG_STEP;
    const uint64_t away = distance * SERNET_DRIFT_STEP >> (40 - SERNET_LOG_BITS);
    return (int64_t)away + (spread < 0 ? -spread : spread);
}

int32_t sernet_drift(const sernet_drift_meter *meter) {
    int64_t total = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
        int64_t sum = 0;
        uint64_t squares = 0;
        for (uint32_t piece = 0; piece < SERNET_DRIFT_PIECES; piece++) {
            sum += meter->sums[piece][k];
            squares += meter->squares[piece][k];
        }
        total += deviation(sum, squares);
    }
    const int64_t one = (int64_t)SERNET_FEATURE_COUNT << (SERNET_LOG_BITS - 16);
    return (int32_t)((total + one / 2) / one);
}
