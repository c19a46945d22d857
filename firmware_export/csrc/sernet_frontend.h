/* The front end: PCM in, the model's int8 features out, one row a frame.
 *
 * What it computes stands in sernet-edge's runtime/frontend.py, and of the features "micro" in
 * runtime/micro_frontend.py; the settings and tables are in the generated sernet_contract.h. All of
 * it is integers, the same on every core. */
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

/* With SERNET_GATE frames count as digital silence once it has been quiet for SERNET_GATE_FRAMES,
 * which is longer than a pause in speech: a room's noise is then the same row for row, and takes no
 * transform. SERNET_GATE_POWER is the variance, in squared sample units, below which the samples
 * of a step are quiet. Both are the runtime's, unless they are defined for the whole program. */
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

/* A feature of a frame as it is kept until it is a window's turn. With the level "window" a
 * logarithm waits for the window's mean; of MFCCs only the first one does, and is kept apart. */
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW && SERNET_FEATURES != SERNET_FEATURES_MFCC
typedef int16_t sernet_kept; /* Q10 */
#else
typedef int8_t sernet_kept; /* the model's input */
#endif

typedef struct {
    int64_t level;  /* "running": the mean level, Q36 */
    uint32_t frames; /* that the mean has seen, no more than SERNET_LEVEL_FRAMES */
#ifdef SERNET_GATE
    uint32_t quiet; /* quiet steps in a row; above SERNET_GATE_FRAMES the gate is closed */
#endif
#if SERNET_FEATURES == SERNET_FEATURES_MICRO
    uint32_t noise[SERNET_FEATURE_COUNT]; /* of each channel */
#endif
    uint32_t missing; /* samples until the next frame is whole */
    uint32_t next;    /* where in the frame the next sample goes, and the oldest one is */
#ifdef SERNET_PREEMPHASIS
    int16_t before; /* the sample before the frame's oldest one */
#endif
    sernet_frame frame;
} sernet_frontend;

/* Starts a stream at its first sample. */
void sernet_frontend_reset(sernet_frontend *frontend);

/* Takes `count` samples, no more than are `missing`. */
void sernet_frontend_take(sernet_frontend *frontend, const int16_t *pcm, uint32_t count);

/* Computes the frame's features (SERNET_FEATURE_COUNT), when none of its samples is missing.
 *
 *     bins (SERNET_POWERS) working memory
 *
 * Returns its level, Q18: for MFCCs the sum of the logarithmic energies, which is c0 before
 * standardisation, else their mean. */
int32_t sernet_frontend_row(sernet_frontend *frontend, sernet_bin *bins, sernet_kept *row);

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW

/* The mean of a window's levels, int32 (count). */
int32_t sernet_frontend_mean(const int32_t *levels, uint32_t count);

/* Makes a kept row the model's input, int8 (SERNET_FEATURE_COUNT), in a window whose levels
 * have the mean `mean`. */
void sernet_frontend_finish(const sernet_kept *row, int32_t level, int32_t mean,
                            int8_t *features);

#endif

#ifdef __cplusplus
}
#endif

#endif
