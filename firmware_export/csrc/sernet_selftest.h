/* Computes golden windows on the device, and compares the outputs with those of TensorFlow Lite. */
#ifndef SERNET_SELFTEST_H
#define SERNET_SELFTEST_H

#include "sernet_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sernet_stream;
typedef struct sernet_golden sernet_golden;

/* Computes the golden windows; see `sernet_selftest`. */
typedef int32_t sernet_replay(const sernet_golden *golden, void *state, size_t bytes);
sernet_replay sernet_replay_windows; /* for whole windows */
sernet_replay sernet_replay_stream;  /* for shared rows; in sernet_selftest_stream.c */

struct sernet_golden {
    sernet_replay *replay;
    const sernet_net *net;              /* with whole windows; else null */
    const struct sernet_stream *stream; /* with shared rows; else null */
    uint16_t windows;
    uint16_t rows;         /* rows of a window */
    uint16_t hop_rows;     /* rows from one window to the next; with whole windows `rows` */
    uint32_t row_bytes;    /* bytes of an input row */
    uint32_t output_bytes; /* bytes of a window's output */
    const int8_t *inputs;  /* (rows + (windows - 1) * hop_rows, row_bytes) */
    const int8_t *outputs; /* (windows, output_bytes) */
};

/* Returns how many output values differ from the golden ones, which must be 0, or an error of
 * sernet_engine.h. */
int32_t sernet_selftest(const sernet_golden *golden, void *state, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
