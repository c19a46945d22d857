/* Private to the front end: the features of the TensorFlow Lite Micro frontend. */
#ifndef SERNET_MICRO_H
#define SERNET_MICRO_H

#include "sernet_contract.h"

/* The number of bins for the filters, without the bin at half the sample rate. */
#define SERNET_POWERS (SERNET_FFT_SIZE / 2)
#define SERNET_BIN_BYTES 4

#ifdef __cplusplus
extern "C" {
#endif

/* A frame's samples, as a ring. */
typedef struct {
    int16_t samples[SERNET_FRAME_LENGTH_SAMPLES];
} sernet_frame;

/* A complex value of the transform; later, in the same place, the power of a bin. */
typedef union {
    int16_t part[2];
    uint32_t power;
} sernet_bin;

/* Computes the power of bins 1 to SERNET_POWERS - 1 of a frame.
 *
 *     oldest (1)           place of the frame's oldest sample
 *     before (1)           not used
 *     bins (SERNET_POWERS) the powers; the first is set to 0
 *
 * Returns the number of bits by which the samples were shifted left. */
int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins);

/* Computes the model's input from the powers in `bins`.
 *
 *     shift (1)                    the bits by which the samples were shifted left
 *     noise (SERNET_FEATURE_COUNT) the stream's noise estimate, 0 at the start; it is updated
 *     row (SERNET_FEATURE_COUNT)   the model's input */
void sernet_micro_row(const sernet_bin *bins, uint32_t shift, uint32_t *noise, int8_t *row);

#ifdef __cplusplus
}
#endif

#endif
