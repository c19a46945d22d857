#include "sernet.h"

#include <string.h>

/* In a state that was initialised; elsewhere only by a rare chance. */
#define MARK (SERNET_CONTRACT_ID_U64 ^ 0x5345524e45544544u)

static int check_memory(const void *state) {
    if (state == NULL) return SERNET_ERROR_NULL;
    return (uintptr_t)state % SERNET_STATE_ALIGN == 0 ? SERNET_OK : SERNET_ERROR_ALIGN;
}

static int check(const void *state) {
    const int status = check_memory(state);
    if (status < 0) return status;
    return ((const sernet_state *)state)->mark == MARK ? SERNET_OK : SERNET_ERROR_STATE;
}

int sernet_init_contract(void *state, size_t bytes, uint64_t contract_id) {
    const int status = check_memory(state);
    if (status < 0) return status;
    if (bytes < SERNET_STATE_BYTES) return SERNET_ERROR_SIZE;
    if (contract_id != SERNET_CONTRACT_ID_U64) return SERNET_ERROR_CONTRACT;
    sernet_state *s = state;
    s->mark = MARK;
    return sernet_reset(s);
}

int sernet_reset(void *state) {
    const int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    s->frames = 0;
    s->ahead = -SERNET_WINDOW_FRAMES;
    s->fed = 0;
    s->write_row = s->read_row = 0;
    s->saturated = 0;
    s->mean_level = 0;
    s->results = 0;
    sernet_frontend_reset(&s->frontend);
    return SERNET_OK;
}

/* Whether a frame's row has a place: not that of a row which the network has yet to take, and
 * no more than a hop beyond a window whose result was not polled for. */
static int has_room(const sernet_state *s) {
    return s->ahead < 0 || (s->ahead < (int32_t)s->fed && s->ahead < SERNET_EVERY_FRAMES);
}

static void add_frame(sernet_state *s) {
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    s->levels[s->write_row] =
#endif
        sernet_frontend_row(&s->frontend, s->rows[s->write_row]);
    s->write_row = (s->write_row + 1) % SERNET_WINDOW_FRAMES;
    s->frames++;
    s->ahead++;
}

int32_t sernet_push(void *state, const int16_t *pcm, size_t count) {
    const int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    if (pcm == NULL) return SERNET_ERROR_NULL;
    if (count == 0) return SERNET_ERROR_EMPTY;
    const int32_t most = count < INT32_MAX ? (int32_t)count : INT32_MAX;
    int32_t taken = 0;
    while (taken < most) {
        /* The sample that would complete a frame without room is left to the caller. */
        const int32_t wanted = (int32_t)s->frontend.missing - !has_room(s);
        if (wanted == 0) break;
        const int32_t part = most - taken < wanted ? most - taken : wanted;
        sernet_frontend_take(&s->frontend, pcm + taken, (uint32_t)part);
        taken += part;
        if (s->frontend.missing == 0) add_frame(s);
    }
    return taken;
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

int sernet_work(void *state) {
    int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    if (!has_row(s)) return 0;
    if (s->fed == 0) {
        status = sernet_net_reset(&sernet_model, s->net, sizeof s->net);
        if (status < 0) return status;
        s->saturated = 0;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
        /* No later frame has come yet, so the ring holds the window. */
        s->mean_level = sernet_frontend_mean(s->levels, SERNET_WINDOW_FRAMES);
#endif
    }
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    int8_t row[SERNET_FEATURE_COUNT];
    sernet_frontend_finish(s->rows[s->read_row], s->levels[s->read_row], s->mean_level, row);
#else
    const int8_t *row = s->rows[s->read_row];
#endif
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++)
        s->saturated += row[k] == SERNET_FEATURE_LOW || row[k] == SERNET_FEATURE_HIGH;
    status = sernet_net_push(&sernet_model, s->net, row);
    if (status < 0) return status;
    s->read_row = (s->read_row + 1) % SERNET_WINDOW_FRAMES;
    s->fed++;
    return has_row(s);
}

/* Writes the result of the window that the network has seen. */
static void decide(sernet_state *s, sernet_result *result) {
    const int8_t *output = sernet_net_output(&sernet_model, s->net);
    result->frames = s->frames - (uint32_t)s->ahead;
    result->label = 0;
    result->saturated = s->saturated < UINT16_MAX ? (uint16_t)s->saturated : UINT16_MAX;
    for (uint32_t i = 0; i < SERNET_LABEL_COUNT; i++) {
        float score = SERNET_SCORE_SCALE * (float)(output[i] - SERNET_SCORE_ZERO_POINT);
        if (s->results > 0) score = SERNET_SMOOTH * s->scores[i] + (1.0f - SERNET_SMOOTH) * score;
        s->scores[i] = score;
        result->scores[i] = score;
        result->scores_int8[i] = output[i];
        if (score > result->scores[result->label]) result->label = (uint16_t)i;
    }
}

int sernet_poll(void *state, sernet_result *result) {
    int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    if (result == NULL) return SERNET_ERROR_NULL;
    do status = sernet_work(s);
    while (status > 0);
    if (status < 0) return status;
    if (s->fed < SERNET_WINDOW_FRAMES) return 0;
    decide(s, result);
    s->results = 1;
    s->ahead -= SERNET_EVERY_FRAMES;
    s->fed = 0;
    /* Back at the window's first row; from there a hop on. */
    s->read_row = (s->read_row + SERNET_EVERY_FRAMES) % SERNET_WINDOW_FRAMES;
    return SERNET_READY;
}
