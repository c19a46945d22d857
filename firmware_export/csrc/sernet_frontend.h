/* The front end: PCM in, the model's int8 features out, one row a frame.
 *
 * What it computes stands in sernet-edge's runtime/frontend.py; the settings and tables are
 * in the generated sernet_contract.h. Most of it is single-precision floating point up to the
 * mel energies, and integers from there; SERNET_FIXED_POINT makes it integers throughout, for
 * cores without FPU. SERNET_USE_CMSIS_DSP takes CMSIS-DSP's FFT. */
#ifndef SERNET_FRONTEND_H
#define SERNET_FRONTEND_H

#include <stddef.h>

#include "sernet_spectrum.h"

#define SERNET_FRONTEND_VERSION 1

#if SERNET_TABLES_VERSION != SERNET_FRONTEND_VERSION
#error "sernet_contract.h was exported for another version of the front end: export it again"
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t level;  /* "running": the mean c0, Q36 */
    uint32_t frames; /* that the mean has seen, no more than SERNET_LEVEL_FRAMES */
    uint32_t missing; /* samples until the next frame is whole */
    uint32_t next;    /* where in `pcm` the next sample goes, and the oldest one is */
    int16_t pcm[SERNET_FRAME_LENGTH_SAMPLES];
    sernet_bin bins[SERNET_BINS];
#ifdef SERNET_USE_CMSIS_DSP
    float spare[SERNET_FFT_SIZE];
#endif
} sernet_frontend;

/* Starts a stream at its first sample. */
void sernet_frontend_reset(sernet_frontend *frontend);

/* Takes `count` samples, no more than are `missing`. */
void sernet_frontend_take(sernet_frontend *frontend, const int16_t *pcm, uint32_t count);

/* Computes the frame's features, int8 (SERNET_FEATURE_COUNT), when none of its samples is missing.
 * Returns the sum of its logarithmic energies, Q18, which is c0 before standardisation. With
 * the level "window" row[0] is not written: it is sernet_frontend_c0(c0 - the window's mean). */
int32_t sernet_frontend_row(sernet_frontend *frontend, int8_t *row);

/* Feature 0 of a row with the level "window". */
int8_t sernet_frontend_c0(int32_t c0);

/* The mean of a window's c0, int32 (count). */
int32_t sernet_frontend_mean(const int32_t *c0, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
