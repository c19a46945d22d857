#include "sernet.h"

#include "sernet_rows.h"

/* `sernet_init` writes this number into a state; other memory has it only by a rare chance. */
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
#ifdef SERNET_HEAD
    s->head.is_set = 0;
#endif
    return sernet_reset(s);
}

#ifdef SERNET_HEAD
int sernet_set_head(void *state, const uint8_t *block, size_t bytes) {
    const int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    return sernet_head_load(&s->head, SERNET_HEAD_NET, block, bytes);
}
#endif

int sernet_reset(void *state) {
    const int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    s->frames = 0;
    s->saturated = 0;
    s->busy = 0;
    s->results = 0;
    sernet_frontend_reset(&s->frontend);
    sernet_rows_reset(s);
    return SERNET_OK;
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
        /* Without room for a frame, do not take the sample that would complete it. */
        const int32_t wanted = (int32_t)s->frontend.missing - !sernet_rows_have_room(s);
        if (wanted == 0) break;
        const int32_t part = most - taken < wanted ? most - taken : wanted;
        sernet_frontend_take(&s->frontend, pcm + taken, (uint32_t)part);
        taken += part;
        if (s->frontend.missing == 0) sernet_rows_add(s);
    }
    return taken;
}

int sernet_work(void *state) {
    const int status = check(state);
    return status < 0 ? status : sernet_rows_work(state);
}

/* Turns the network's output into a result. */
static void decide(sernet_state *s, const int8_t *output, sernet_result *result) {
    result->label = 0;
    for (uint32_t i = 0; i < SERNET_LABEL_COUNT; i++) {
        float score = SERNET_SCORE_SCALE * (float)(output[i] - SERNET_SCORE_ZERO_POINT);
        if (s->results > 0) score = SERNET_SMOOTH * s->scores[i] + (1.0f - SERNET_SMOOTH) * score;
        s->scores[i] = score;
        result->scores[i] = score;
        result->scores_int8[i] = output[i];
        if (score > result->scores[result->label]) result->label = (uint16_t)i;
    }
    s->results = 1;
}

int sernet_poll(void *state, sernet_result *result) {
    int status = check(state);
    if (status < 0) return status;
    sernet_state *s = state;
    if (result == NULL) return SERNET_ERROR_NULL;
    do status = sernet_rows_work(s);
    while (status > 0);
    if (status < 0) return status;
    const int8_t *output = sernet_rows_finish(s, result);
    if (output == NULL) return 0;
    decide(s, output, result);
    return SERNET_READY;
}
