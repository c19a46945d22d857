/* The native engine on a stream: it computes every row of the network once, for all windows.
 *
 * The generated sernet_model.c splits a network into a body, whose rows do not depend on the start
 * of a window, a mean over time, and a head. The body runs without end. For each row of its last
 * feature map, the engine keeps the sums over the width for the length of a window. The bits are
 * those of a whole window in TensorFlow Lite Micro. */
#ifndef SERNET_STREAM_H
#define SERNET_STREAM_H

#include "sernet_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sernet_stream {
    const sernet_net *body;       /* its last layer is `sernet_row_sums` */
    const sernet_net *head;       /* its input is the mean, int8 (values) */
    const uint16_t *period_steps; /* (layers), steps of each of the body's layers in a period */
    const int32_t *mean;          /* the number to subtract from a sum; multiplier and shift */
    int32_t mean_zero_point;
    uint16_t rows;  /* rows of the last feature map in a window */
    uint16_t apart; /* distance between these rows; rows between them belong to other windows */
    uint16_t late;  /* rows that the body makes after a window's last row, before the window ends */
    uint32_t mean_offset, head_offset; /* bytes into the state; they share the working memory */
} sernet_stream;

/* Starts a stream. `state` is the caller's, aligned to SERNET_STATE_ALIGN, `bytes` long.
 * Returns SERNET_OK or an error. */
int sernet_stream_reset(const sernet_stream *stream, void *state, size_t bytes);

/* Takes the next row of features, int8 (width, channels), without doing any work. All work for the
 * rows before it must be done. Returns SERNET_OK or an error. */
int sernet_stream_take(const sernet_stream *stream, void *state, const int8_t *row);

/* Does the next part of the work for the rows taken so far: one row of one layer, and rows of the
 * layers that wait for it. Returns 1 if it did work, 0 if it needs another row, or an error. */
int sernet_stream_step(const sernet_stream *stream, void *state);

/* Takes the next row of features and does all its work. Returns SERNET_OK or an error. */
int sernet_stream_push(const sernet_stream *stream, void *state, const int8_t *row);

/* Computes the mean and the head for the window that ends with the newest row of features. All work
 * for that row must be done. The output has no meaning before the first complete window, or if the
 * window does not begin a multiple of the planned hop after the first one. Returns the output, int8
 * (values), valid until the next call; null if a pointer is null. */
const int8_t *sernet_stream_output(const sernet_stream *stream, void *state);

#ifdef __cplusplus
}
#endif

#endif
