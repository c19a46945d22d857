/* The row engine on a stream: every row of the network is computed once, for all the windows
 * that hold it.
 *
 * The generated sernet_model.c splits a network into a body, whose rows do not depend on where a
 * window begins, a mean over time, and a head. The body runs without end; of each row of its last
 * feature map the sums over the width are kept for as long as a window lasts. The bits are those
 * of a whole window in TensorFlow Lite Micro. */
#ifndef SERNET_STREAM_H
#define SERNET_STREAM_H

#include "sernet_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sernet_stream {
    const sernet_net *body;       /* its last layer is `sernet_row_sums` */
    const sernet_net *head;       /* its input is the mean, int8 (values) */
    const uint16_t *period_steps; /* that each of the body's layers does in a period: (layers) */
    const int32_t *mean;          /* what to subtract from a sum; multiplier and shift */
    int32_t mean_zero_point;
    uint16_t rows;  /* of the last feature map in a window */
    uint16_t apart; /* rows from one of these to the next; those between are other windows' */
    uint16_t late;  /* rows beyond a window's last one when the window ends */
    uint32_t mean_offset, head_offset; /* bytes into the state: where steps have working memory */
} sernet_stream;

/* Starts a stream. `state` is the caller's, aligned to SERNET_STATE_ALIGN, `bytes` long.
 * Returns SERNET_OK or an error. */
int sernet_stream_reset(const sernet_stream *stream, void *state, size_t bytes);

/* Takes the next row of features, int8 (width, channels), before any of the work that it
 * completes; what the rows before it completed must be done. Returns SERNET_OK or an error. */
int sernet_stream_take(const sernet_stream *stream, void *state, const int8_t *row);

/* Does the next part of the work that the rows taken complete: one row of one layer, and of those
 * that wait for it. Returns 1 when it did one, 0 when another row is needed, or an error. */
int sernet_stream_step(const sernet_stream *stream, void *state);

/* Takes the next row of features and does all the work that it completes. Returns SERNET_OK or
 * an error. */
int sernet_stream_push(const sernet_stream *stream, void *state, const int8_t *row);

/* Computes the mean and the head for the window that ends with the newest row of features, once
 * no work is left of it. Before the first whole window, and where a window does not begin a
 * multiple of the hop that was planned after the first one, the output means nothing. Returns the
 * output, int8 (values), valid until the next call; null if a pointer is. */
const int8_t *sernet_stream_output(const sernet_stream *stream, void *state);

#ifdef __cplusplus
}
#endif

#endif
