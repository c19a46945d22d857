/* The mean over time and the counters of a stream; sernet_engine.c computes the rows. */
#include "sernet_stream.h"

#include <string.h>

#include "sernet_kernels.h"

int sernet_stream_reset(const sernet_stream *stream, void *state, size_t bytes) {
    if (stream == NULL) return SERNET_ERROR_NULL;
    return sernet_net_reset(stream->body, state, bytes);
}

/* Subtracts a period from every counter: after a period each ring is at the same place again. */
static void keep_counters_small(const sernet_stream *stream, uint16_t *done) {
    const uint32_t last = stream->body->layer_count - 1u;
    if (done[last] < 2u * stream->period_steps[last]) return;
    for (uint32_t i = 0; i <= last; i++) done[i] = (uint16_t)(done[i] - stream->period_steps[i]);
}

int sernet_stream_take(const sernet_stream *stream, void *state, const int8_t *row) {
    if (stream == NULL) return SERNET_ERROR_NULL;
    return sernet_net_take(stream->body, state, row);
}

int sernet_stream_step(const sernet_stream *stream, void *state) {
    if (stream == NULL) return SERNET_ERROR_NULL;
    const int status = sernet_net_step(stream->body, state);
    if (status == 0) keep_counters_small(stream, state);
    return status;
}

int sernet_stream_push(const sernet_stream *stream, void *state, const int8_t *row) {
    int status = sernet_stream_take(stream, state, row);
    if (status < 0) return status;
    do status = sernet_stream_step(stream, state);
    while (status > 0);
    return status;
}

const int8_t *sernet_stream_output(const sernet_stream *stream, void *state) {
    if (stream == NULL || state == NULL) return NULL;
    const sernet_net *body = stream->body, *head = stream->head;
    const sernet_layer *sums = &body->layers[body->layer_count - 1u];
    int8_t *arena = (int8_t *)state + body->arena_offset;
    int8_t *mean = (int8_t *)state + stream->mean_offset;
    const int32_t *p = stream->mean;
    /* The window's newest row, and the row before its oldest. */
    const uint32_t newest = ((const uint16_t *)state)[body->layer_count - 1u] - 1u - stream->late;
    const uint32_t before = newest - (uint32_t)stream->rows * stream->apart;
    for (uint32_t c = 0; c < sums->channels; c++) {
        int32_t sum = 0;
        for (uint32_t row = newest; row != before; row -= stream->apart)
            sum += ((const int16_t *)(void *)sernet_row(sums, arena, row))[c];
        const int32_t v = sernet_rescale(sum - p[0], p[1], p[2]) + stream->mean_zero_point;
        mean[c] = (int8_t)sernet_clamp(v, -128, 127);
    }
    void *head_state = (int8_t *)state + stream->head_offset;
    if (sernet_net_reset(head, head_state, head->state_bytes) < 0) return NULL;
    sernet_net_push(head, head_state, mean);
    return sernet_net_output(head, head_state);
}
