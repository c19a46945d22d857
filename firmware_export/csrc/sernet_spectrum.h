/* Private to the front end: the power spectrum of one frame. */
#ifndef SERNET_SPECTRUM_H
#define SERNET_SPECTRUM_H

#include "sernet_contract.h"

#define SERNET_BINS (SERNET_FFT_SIZE / 2)
#define SERNET_BIN_BYTES 8

/* A spectrogram and a frame's energy may need the bin at half the sample rate; mel filters do not.
 * */
#if SERNET_FEATURES == SERNET_FEATURES_SPECTROGRAM || defined(SERNET_FIRST_FEATURE_IS_ENERGY)
#define SERNET_POWERS (SERNET_BINS + 1)
#else
#define SERNET_POWERS SERNET_BINS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A frame's samples, as a ring; `pairs` reads two samples at a time. */
typedef union {
    int16_t samples[SERNET_FRAME_LENGTH_SAMPLES];
    uint32_t pairs[SERNET_FRAME_LENGTH_SAMPLES / 2];
} sernet_frame;

/* A complex value of the transform; later, in the same place, the power of a bin. */
typedef union {
    int32_t part[2];
    uint64_t power;
} sernet_bin;

/* Computes the power of bins 0 to SERNET_POWERS - 1 of a frame.
 *
 *     oldest (1)           place of the frame's oldest sample
 *     before (1)           the sample before the oldest one; only pre-emphasis uses it
 *     bins (SERNET_POWERS) the powers
 *
 * Returns an exponent e: the unit of the powers is 2^e squared sample units. */
int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins);

#ifdef __cplusplus
}
#endif

#endif
