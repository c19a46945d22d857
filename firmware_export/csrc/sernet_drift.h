/* Measures how unlike the training's speech a window is, like `sernet-edge listen`: how far the
 * mean and the spread of each feature are from those of the training, averaged over features.
 * Speech like the training's has a drift of about 0.5.
 *
 * It takes the int8 rows of the network. `listen` measures features before they are limited to
 * SERNET_CLIP and rounded; docs/design/frontend.md shows the difference.
 *
 * With SERNET_MEASURE_DRIFT, defined for the whole program, each result has the drift. With shared
 * rows, each row is added once: the stream is divided into pieces, a window is a whole number of
 * pieces, and the meter keeps the sums of each piece. With whole windows, each window starts with a
 * reset. */
/* Before the guard: with SERNET_MEASURE_DRIFT, sernet.h includes this file in its middle. */
#ifndef SERNET_H
#include "sernet.h"
#endif

#ifndef SERNET_DRIFT_H
#define SERNET_DRIFT_H

/* Frames from one window to the next, if each row is added once. */
#ifndef SERNET_DRIFT_HOP
#if SERNET_SHARES_ROWS
#define SERNET_DRIFT_HOP SERNET_EVERY_FRAMES
#else
#define SERNET_DRIFT_HOP SERNET_WINDOW_FRAMES
#endif
#endif

/* A hop consists of two pieces: windows end after the first one, and begin after the second. If a
 * window is a whole number of hops, a hop is a single piece. */
#define SERNET_DRIFT_PIECE (SERNET_WINDOW_FRAMES % SERNET_DRIFT_HOP)
#define SERNET_DRIFT_PIECES                                                                        \
    (SERNET_WINDOW_FRAMES / SERNET_DRIFT_HOP * (SERNET_DRIFT_PIECE > 0 ? 2 : 1) +                  \
     (SERNET_DRIFT_PIECE > 0 ? 1 : 0))

/* The unit of drifts: the number that means a drift of 1. SERNET_DRIFTS tells whether a drift is
 * above SERNET_DRIFT_LIMIT; a limit of 0 is off. */
#define SERNET_DRIFT_ONE 65536
#define SERNET_DRIFTS(drift)                                                                       \
    (SERNET_LISTEN_DRIFT_LIMIT > 0.0 &&                                                            \
     (drift) > (int32_t)(SERNET_LISTEN_DRIFT_LIMIT * SERNET_DRIFT_ONE))

#ifdef __cplusplus
extern "C" {
#endif

/* All data between calls; the members are private. */
typedef struct {
    uint32_t frames; /* frames of the current hop so far */
    uint32_t piece;  /* index of the current piece */
    int32_t sums[SERNET_DRIFT_PIECES][SERNET_FEATURE_COUNT];
    uint32_t squares[SERNET_DRIFT_PIECES][SERNET_FEATURE_COUNT];
} sernet_drift_meter;

/* Starts a stream; with whole windows, a window. */
void sernet_drift_reset(sernet_drift_meter *meter);

/* Adds a row of the model's input, int8 (SERNET_FEATURE_COUNT). */
void sernet_drift_add(sernet_drift_meter *meter, const int8_t *row);

/* Returns the drift of the window that ends with the last row, in units of 1 / SERNET_DRIFT_ONE. */
int32_t sernet_drift(const sernet_drift_meter *meter);

#ifdef __cplusplus
}
#endif

#endif
