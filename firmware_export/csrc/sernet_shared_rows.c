/* Shared rows: the network computes each row once for all windows. A queue holds the features that
 * the network has not taken yet. A result is due when the first window is complete, and then every
 * hop. */
#include <string.h>

#include "sernet_rows.h"

#if !SERNET_SHARES_ROWS
#error "the model computes whole windows: compile sernet_windows.c in place of sernet_shared_rows.c"
#endif

void sernet_rows_reset(sernet_state *s) {
    s->wanted = SERNET_WINDOW_FRAMES;
    s->waiting = s->first = s->newest = 0;
    s->same = s->behind = 0;
    memset(s->last, 0, sizeof s->last);
    memset(s->counts, 0, sizeof s->counts);
    sernet_start_drift(s);
    sernet_stream_reset(&sernet_model, s->net, sizeof s->net);
}

int sernet_rows_have_room(const sernet_state *s) { return s->waiting < SERNET_QUEUE_ROWS; }

void sernet_rows_add(sernet_state *s) {
    sernet_frontend_row(&s->frontend, sernet_bins(s),
                        s->rows[(s->first + s->waiting) % SERNET_QUEUE_ROWS]);
    s->waiting++;
    s->frames++;
}

/* While a result is due, the network takes no row of a later window. */
static int has_row(const sernet_state *s) { return s->waiting > 0 && s->wanted > 0; }

/* Whether to leave out a row. After a window and a stride of equal rows, as in digital silence, all
 * rows of each feature map are equal, too. Another stride of equal rows would change nothing, so
 * the network leaves it out. */
static int is_left_out(sernet_state *s, const int8_t *row) {
    if (memcmp(row, s->last, sizeof s->last) == 0) {
        if (s->same < SERNET_WINDOW_FRAMES + SERNET_STRIDE_FRAMES) {
            s->same++;
            return 0;
        }
        s->behind = (s->behind + 1) % SERNET_STRIDE_FRAMES;
        return 1;
    }
    memcpy(s->last, row, sizeof s->last);
    s->same = 1;
    return 0;
}

/* Takes the next row of the queue. If this row differs from the last ones, takes the rows first
 * that were left out since the last whole stride, one in each call. Returns 1 if the network has
 * work to do, 0 if not, or an error. */
static int take_row(sernet_state *s) {
    const int8_t *row = s->rows[s->first];
    if (s->behind > 0 && memcmp(row, s->last, sizeof s->last) != 0) {
        s->behind--;
        const int status = sernet_stream_take(&sernet_model, s->net, s->last);
        return status < 0 ? status : 1;
    }
    const int is_new = !is_left_out(s, row);
    const int status = is_new ? sernet_stream_take(&sernet_model, s->net, row) : SERNET_OK;
    if (status < 0) return status;
    sernet_add_drift(s, row);
    const uint32_t count = sernet_saturated(row);
    s->saturated += count - s->counts[s->newest];
    s->counts[s->newest] = (sernet_count)count;
    s->newest = (s->newest + 1) % SERNET_WINDOW_FRAMES;
    s->first = (s->first + 1) % SERNET_QUEUE_ROWS;
    s->waiting--;
    s->wanted--;
    return is_new;
}

int sernet_rows_work(sernet_state *s) {
    if (!s->busy) {
        if (!has_row(s)) return 0;
        const int status = take_row(s);
        if (status < 0) return status;
        if (status == 0) return has_row(s);
    }
    const int status = sernet_stream_step(&sernet_model, s->net);
    s->busy = status > 0;
    if (status < 0) return status;
    return s->busy || has_row(s);
}

const int8_t *sernet_rows_finish(sernet_state *s, sernet_result *result) {
    if (s->wanted > 0 || s->busy) return NULL;
    result->frames = s->frames - s->waiting;
    result->saturated = sernet_at_most_16_bits(s->saturated);
    sernet_tell_drift(s, result);
    s->wanted = SERNET_EVERY_FRAMES;
#ifdef SERNET_HEAD
    sernet_stream taught = sernet_model;
    if (s->head.is_set) taught.head = &s->head.net;
    return sernet_stream_output(&taught, s->net);
#else
    return sernet_stream_output(&sernet_model, s->net);
#endif
}
