/* Private to the front end: the power spectrum of one frame. */
#ifndef SERNET_SPECTRUM_H
#define SERNET_SPECTRUM_H

#include "sernet_contract.h"

#if defined(SERNET_FIXED_POINT) && defined(SERNET_USE_CMSIS_DSP)
#error "SERNET_USE_CMSIS_DSP is for the front end in floating point"
#endif

#if defined(SERNET_USE_CMSIS_DSP) && (SERNET_FFT_SIZE < 32 || SERNET_FFT_SIZE > 4096)
#error "CMSIS-DSP has no FFT of SERNET_FFT_SIZE points"
#endif

#define SERNET_BINS (SERNET_FFT_SIZE / 2)

/* A spectrogram may reach up to the bin at half the sample rate; mel filters end before it. */
#if SERNET_FEATURES == SERNET_FEATURES_SPECTROGRAM
#define SERNET_POWERS (SERNET_BINS + 1)
#else
#define SERNET_POWERS SERNET_BINS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A power, in units of 2^(what sernet_spectrum returns) squared sample units. */
#ifdef SERNET_FIXED_POINT
typedef uint64_t sernet_power;
#else
typedef float sernet_power;
#endif

/* Two samples, or one complex value, and then its power in their place. */
typedef union {
    sernet_real part[2];
    sernet_power power;
} sernet_bin;

/* Computes the power of bins 0 to SERNET_POWERS - 1. `pcm` is a ring whose oldest sample is at
 * `oldest`.
 *
 *     pcm   (frame length), int16
 *     bins  (SERNET_POWERS)
 *     spare (FFT size) float for CMSIS-DSP; else not used, may be null
 *
 * Returns the exponent of the powers' unit. */
int32_t sernet_spectrum(const int16_t *pcm, uint32_t oldest, sernet_bin *bins, float *spare);

#ifdef __cplusplus
}
#endif

#endif
