/* Private to the front end: the features of the TensorFlow Lite Micro frontend. */
#ifndef SERNET_MICRO_H
#define SERNET_MICRO_H

#include "sernet_contract.h"

/* Bins that a filter may have; the one at half the sample rate is none of them. */
#define SERNET_POWERS (SERNET_FFT_SIZE / 2)
#define SERNET_BIN_BYTES 4

#ifdef __cplusplus
extern "C" {
#endif

/* A frame's samples: a ring. */
typedef struct {
    int16_t samples[SERNET_FRAME_LENGTH_SAMPLES];
} sernet_frame;

/* A complex value of the transform, and then the power of a bin in its place. */
typedef union {
    int16_t part[2];
    uint32_t power;
} sernet_bin;

/* Computes the power of bins 1 to SERNET_POWERS - 1 of a frame whose oldest sample is at `oldest`.
 *
 *     bins (SERNET_POWERS); the first one is 0 afterwards
 *
 * Returns by how many bits the samples were shifted up. */
int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins);

/* Computes the model's input of the powers in `bins`, of samples that were shifted up by `shift`.
 *
 *     noise (SERNET_FEATURE_COUNT) the stream's estimate of the noise, brought forward; 0 at first
 *     row (SERNET_FEATURE_COUNT) */
void sernet_micro_row(const sernet_bin *bins, uint32_t shift, uint32_t *noise, int8_t *row);

#ifdef __cplusplus
}
#endif

#endif
