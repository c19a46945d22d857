/* Whole windows: a ring holds the features of one window, and the network takes all of them for
 * every result. */
#include <string.h>

#include "sernet_rows.h"

#if SERNET_SHARES_ROWS
#error "the model shares rows: compile sernet_shared_rows.c in place of sernet_windows.c"
#endif

#ifdef SERNET_HEAD
#define NETWORK(s) ((s)->head.is_set ? &(s)->head.net : &sernet_model)
#else
#define NETWORK(s) (&sernet_model)
#endif

void sernet_rows_reset(sernet_state *s) {
    s->ahead = -SERNET_WINDOW_FRAMES;
    s->fed = 0;
    s->write_row = s->read_row = 0;
    s->mean_level = 0;
}

/* A new row must not replace a row that the network has not taken yet. While a result waits for a
 * poll, there is room for one hop of rows. */
int sernet_rows_have_room(const sernet_state *s) {
    return s->ahead < 0 || (s->ahead < (int32_t)s->fed && s->ahead < SERNET_EVERY_FRAMES);
}

void sernet_rows_add(sernet_state *s) {
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    s->levels[s->write_row] =
#endif
        sernet_frontend_row(&s->frontend, sernet_bins(s), s->rows[s->write_row]);
    s->write_row = (s->write_row + 1) % SERNET_WINDOW_FRAMES;
    s->frames++;
    s->ahead++;
}

/* Whether the network can take a row of the window. */
static int has_row(const sernet_state *s) {
    if (s->fed == SERNET_WINDOW_FRAMES) return 0;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    return s->ahead >= 0;
#else
    return s->ahead + SERNET_WINDOW_FRAMES > (int32_t)s->fed;
#endif
}

static int start_window(sernet_state *s) {
    s->saturated = 0;
    sernet_start_drift(s);
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    /* There is no later frame yet, so the ring holds exactly the window. */
    s->mean_level = sernet_frontend_mean(s->levels, SERNET_WINDOW_FRAMES);
#endif
    return sernet_net_reset(NETWORK(s), s->net, sizeof s->net);
}

static int take_row(sernet_state *s) {
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    int8_t row[SERNET_FEATURE_COUNT];
    sernet_frontend_finish(s->rows[s->read_row], s->levels[s->read_row], s->mean_level, row);
#else
    const int8_t *row = s->rows[s->read_row];
#endif
    s->saturated += sernet_saturated(row);
    sernet_add_drift(s, row);
    const int status = sernet_net_take(NETWORK(s), s->net, row);
    if (status < 0) return status;
    s->read_row = (s->read_row + 1) % SERNET_WINDOW_FRAMES;
    s->fed++;
    return SERNET_OK;
}

int sernet_rows_work(sernet_state *s) {
    if (!s->busy) {
        if (!has_row(s)) return 0;
        int status = s->fed == 0 ? start_window(s) : SERNET_OK;
        if (status < 0) return status;
        status = take_row(s);
        if (status < 0) return status;
    }
    const int status = sernet_net_step(NETWORK(s), s->net);
    s->busy = status > 0;
    if (status < 0) return status;
    return s->busy || has_row(s);
}

const int8_t *sernet_rows_finish(sernet_state *s, sernet_result *result) {
    if (s->fed < SERNET_WINDOW_FRAMES || s->busy) return NULL;
    result->frames = s->frames - (uint32_t)s->ahead;
    result->saturated = sernet_at_most_16_bits(s->saturated);
    sernet_tell_drift(s, result);
    s->ahead -= SERNET_EVERY_FRAMES;
    s->fed = 0;
    /* `read_row` is at the window's first row again; the next window begins a hop later. */
    s->read_row = (s->read_row + SERNET_EVERY_FRAMES) % SERNET_WINDOW_FRAMES;
    return sernet_net_output(NETWORK(s), s->net);
}
