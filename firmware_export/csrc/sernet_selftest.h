/* Golden windows: replays what TensorFlow Lite computed, on the device. */
#ifndef SERNET_SELFTEST_H
#define SERNET_SELFTEST_H

#include "sernet_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const sernet_net *net;
    uint16_t windows;
    uint16_t rows;         /* in a window */
    uint32_t row_bytes;    /* of the input */
    uint32_t output_bytes; /* of a window */
    const int8_t *inputs;  /* (windows, rows, row_bytes) */
    const int8_t *outputs; /* (windows, output_bytes) */
} sernet_golden;

/* Returns how many output values differ from the golden ones, 0 when the engine is
 * bit-exact, or an error of sernet_engine.h. */
int32_t sernet_selftest(const sernet_golden *golden, void *state, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
