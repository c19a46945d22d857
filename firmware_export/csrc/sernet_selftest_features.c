#include "sernet_selftest_features.h"

int32_t sernet_selftest_features(const sernet_golden_pcm *golden, void *state, size_t bytes) {
    if (golden == NULL) return SERNET_ERROR_NULL;
    int32_t status = sernet_init_contract(state, bytes, golden->contract_id);
    if (status < 0) return status;
    status = sernet_push(state, golden->pcm, SERNET_WINDOW_SAMPLES);
    if (status < 0) return status;
    /* The window's first frame is at the ring's start. */
    const sernet_state *s = state;
    const int8_t *expected = golden->features;
    int32_t differing = 0;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    const int32_t mean = sernet_frontend_mean(s->levels, SERNET_WINDOW_FRAMES);
    int8_t row[SERNET_FEATURE_COUNT];
#endif
    for (uint32_t i = 0; i < SERNET_WINDOW_FRAMES; i++) {
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
        sernet_frontend_finish(s->rows[i], s->levels[i], mean, row);
#else
        const int8_t *row = s->rows[i];
#endif
        for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
            const int32_t difference = row[k] - *expected++;
            if (difference < -1 || difference > 1) return SERNET_ERROR_FEATURES;
            differing += difference != 0;
        }
    }
    return differing;
}
