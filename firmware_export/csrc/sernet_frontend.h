/* The front end: takes PCM and gives the model's int8 features, one row a frame.
 *
 * sernet-edge's runtime/frontend.py defines the computation, and runtime/micro_frontend.py defines
 * the features "micro"; the generated sernet_contract.h has the settings and the tables. All
 * computation is in integers, with the same bits on every core. */
#ifndef SERNET_FRONTEND_H
#define SERNET_FRONTEND_H

#include <stddef.h>

#include "sernet_contract.h"

#if SERNET_FEATURES == SERNET_FEATURES_MICRO
#include "sernet_micro.h"
#else
#include "sernet_spectrum.h"
#endif

#define SERNET_FRONTEND_VERSION 4

#if SERNET_TABLES_VERSION != SERNET_FRONTEND_VERSION
#error "sernet_contract.h was exported for another version of the front end: export it again"
#endif

/* With SERNET_GATE, frames count as digital silence after SERNET_GATE_FRAMES quiet frames, which is
 * longer than a pause in speech. Then all rows of a room's noise are equal and need no FFT.
 * SERNET_GATE_POWER is the variance, in squared sample units, below which the samples of a step are
 * quiet. The defaults are the runtime's; to change them, define them for the whole program. */
#ifdef SERNET_GATE
#ifndef SERNET_GATE_POWER
#define SERNET_GATE_POWER SERNET_LISTEN_SILENT_POWER
#endif
#ifndef SERNET_GATE_FRAMES
#define SERNET_GATE_FRAMES SERNET_LISTEN_QUIET_FRAMES
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The type of a stored feature. With the level "window", logarithms wait for the window's mean.
 * With MFCCs only the first feature waits, and is stored as the frame's level. */
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW && SERNET_FEATURES != SERNET_FEATURES_MFCC
typedef int16_t sernet_kept; /* Q10 */
#else
typedef int8_t sernet_kept; /* the model's input */
#endif

typedef struct {
    int64_t level;  /* "running": the mean level, Q36 */
    uint32_t frames; /* number of frames in that mean, at most SERNET_LEVEL_FRAMES */
#ifdef SERNET_GATE
    uint32_t quiet; /* quiet steps in a row; above SERNET_GATE_FRAMES the gate is closed */
#endif
#if SERNET_FEATURES == SERNET_FEATURES_MICRO
    uint32_t noise[SERNET_FEATURE_COUNT]; /* noise estimate of each channel */
#endif
    uint32_t missing; /* samples until the next frame is complete */
    uint32_t next;    /* place in the frame of the oldest sample, which the next one replaces */
#ifdef SERNET_PREEMPHASIS
    int16_t before; /* the sample before the frame's oldest one */
#endif
    sernet_frame frame;
} sernet_frontend;

/* Starts a stream. */
void sernet_frontend_reset(sernet_frontend *frontend);

/* Takes `count` samples, at most `missing`. */
void sernet_frontend_take(sernet_frontend *frontend, const int16_t *pcm, uint32_t count);

/* Computes the features (SERNET_FEATURE_COUNT) of a frame with no missing samples.
 *
 *     bins (SERNET_POWERS) working memory
 *
 * Returns the frame's level, Q18: for MFCCs the sum of the logarithmic energies, which is c0 before
 * standardisation; for other features their mean. */
int32_t sernet_frontend_row(sernet_frontend *frontend, sernet_bin *bins, sernet_kept *row);

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW

/* Returns the mean of a window's levels, int32 (count). */
int32_t sernet_frontend_mean(const int32_t *levels, uint32_t count);

/* Turns a stored row into the model's input, int8 (SERNET_FEATURE_COUNT).
 *
 *     level (1) the frame's level
 *     mean (1)  the mean of the window's levels */
void sernet_frontend_finish(const sernet_kept *row, int32_t level, int32_t mean,
                            int8_t *features);

#endif

#ifdef __cplusplus
}
#endif

#endif
