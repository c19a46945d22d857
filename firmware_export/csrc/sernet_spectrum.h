/* Private to the front end: the power spectrum of one frame. */
#ifndef SERNET_SPECTRUM_H
#define SERNET_SPECTRUM_H

#include "sernet_contract.h"

#define SERNET_BINS (SERNET_FFT_SIZE / 2)
#define SERNET_BIN_BYTES 8

/* A spectrogram may reach up to the bin at half the sample rate, and a frame's energy does; mel
 * filters end before it. */
#if SERNET_FEATURES == SERNET_FEATURES_SPECTROGRAM || defined(SERNET_FIRST_FEATURE_IS_ENERGY)
#define SERNET_POWERS (SERNET_BINS + 1)
#else
#define SERNET_POWERS SERNET_BINS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A frame's samples: a ring, and two of its samples at a time. */
typedef union {
    int16_t samples[SERNET_FRAME_LENGTH_SAMPLES];
    uint32_t pairs[SERNET_FRAME_LENGTH_SAMPLES / 2];
} sernet_frame;

/* A complex value of the transform, and then the power of a bin in its place. */
typedef union {
    int32_t part[2];
    uint64_t power;
} sernet_bin;

/* Computes the power of bins 0 to SERNET_POWERS - 1 of a frame whose oldest sample is at
 * `oldest`; `before` is the sample before that one, which only a pre-emphasis looks at.
 *
 *     bins (SERNET_POWERS)
 *
 * Returns the exponent of the powers' unit, 2^(what is returned) squared sample units. */
int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins);

#ifdef __cplusplus
}
#endif

#endif
