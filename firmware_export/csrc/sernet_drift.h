/* Measures how unlike the training's speech a window is, as `sernet-edge listen` does: what its
 * features' means and spreads are off, averaged over features; about 0.5 for such speech.
 *
 * It takes the rows that the network takes, int8. listen measures them before they are limited to
 * SERNET_CLIP and rounded; docs/design/frontend.md says how much that changes.
 *
 * With SERNET_MEASURE_DRIFT, defined for the whole program, each result holds the drift. Where
 * windows share rows, each row is added once. The stream is divided into pieces so that every window
 * is a whole number of them, and the sums of each piece are kept. Elsewhere each window begins with a
 * reset. */
/* Before the guard: with SERNET_MEASURE_DRIFT, sernet.h includes this file in its middle. */
#ifndef SERNET_H
#include "sernet.h"
#endif

#ifndef SERNET_DRIFT_H
#define SERNET_DRIFT_H

/* Frames from one window's begin to the next, of rows that come once. */
#ifndef SERNET_DRIFT_HOP
#if SERNET_SHARES_ROWS
#define SERNET_DRIFT_HOP SERNET_EVERY_FRAMES
#else
#define SERNET_DRIFT_HOP SERNET_WINDOW_FRAMES
#endif
#endif

/* A hop begins with a piece that ends as windows do, unless all end as they begin. */
#define SERNET_DRIFT_PIECE (SERNET_WINDOW_FRAMES % SERNET_DRIFT_HOP)
#define SERNET_DRIFT_PIECES                                                                        \
    (SERNET_WINDOW_FRAMES / SERNET_DRIFT_HOP * (SERNET_DRIFT_PIECE > 0 ? 2 : 1) +                  \
     (SERNET_DRIFT_PIECE > 0 ? 1 : 0))

/* A drift of 1. A window is unlike the training's speech if its drift is above
 * SERNET_DRIFT_LIMIT, in these units, unless that is 0. */
#define SERNET_DRIFT_ONE 65536
#define SERNET_DRIFTS(drift)                                                                       \
    (SERNET_LISTEN_DRIFT_LIMIT > 0.0 &&                                                            \
     (drift) > (int32_t)(SERNET_LISTEN_DRIFT_LIMIT * SERNET_DRIFT_ONE))

#ifdef __cplusplus
extern "C" {
#endif

/* Everything that is remembered between calls; its members are private. */
typedef struct {
    uint32_t frames; /* of the hop in progress */
    uint32_t piece;  /* in progress */
    int32_t sums[SERNET_DRIFT_PIECES][SERNET_FEATURE_COUNT];
    uint32_t squares[SERNET_DRIFT_PIECES][SERNET_FEATURE_COUNT];
} sernet_drift_meter;

/* Starts a stream, or a window. */
void sernet_drift_reset(sernet_drift_meter *meter);

/* Adds a row of the model's input, int8 (SERNET_FEATURE_COUNT). */
void sernet_drift_add(sernet_drift_meter *meter, const int8_t *row);

/* Returns the drift of the window that the last row ended, in units of 1 / SERNET_DRIFT_ONE. */
int32_t sernet_drift(const sernet_drift_meter *meter);

#ifdef __cplusplus
}
#endif

#endif
