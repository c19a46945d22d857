#include "sernet_selftest_features.h"

#include "sernet_rows.h"

/* Compares a row of features with the golden row. Returns how many differ, or an error. */
static int32_t compare(const int8_t *row, const int8_t *expected) {
    int32_t differing = 0;
    for (uint32_t k = 0; k < SERNET_FEATURE_COUNT; k++) {
        const int32_t difference = row[k] - expected[k];
        if (difference < -1 || difference > 1) return SERNET_ERROR_FEATURES;
        differing += difference != 0;
    }
    return differing;
}

#if SERNET_LEVEL == SERNET_LEVEL_WINDOW

/* Compares the features of a window, which are final only at its end. */
static int32_t compare_window(const sernet_golden_pcm *golden, sernet_state *s) {
    const int32_t status = sernet_push(s, golden->pcm, SERNET_WINDOW_SAMPLES);
    if (status < 0) return status;
    /* The window's first frame is at the ring's start. */
    const int32_t mean = sernet_frontend_mean(s->levels, SERNET_WINDOW_FRAMES);
    int32_t differing = 0;
    for (uint32_t i = 0; i < SERNET_WINDOW_FRAMES; i++) {
        int8_t row[SERNET_FEATURE_COUNT];
        sernet_frontend_finish(s->rows[i], s->levels[i], mean, row);
        const int32_t found = compare(row, golden->features + i * SERNET_FEATURE_COUNT);
        if (found < 0) return found;
        differing += found;
    }
    return differing;
}

#else

/* Compares features frame by frame, without the network. */
static int32_t compare_window(const sernet_golden_pcm *golden, sernet_state *s) {
    const int16_t *pcm = golden->pcm;
    int32_t differing = 0;
    for (uint32_t i = 0; i < SERNET_WINDOW_FRAMES; i++) {
        const uint32_t missing = s->frontend.missing;
        sernet_frontend_take(&s->frontend, pcm, missing);
        pcm += missing;
        sernet_frontend_row(&s->frontend, sernet_bins(s), s->rows[0]);
        const int32_t found = compare(s->rows[0], golden->features + i * SERNET_FEATURE_COUNT);
        if (found < 0) return found;
        differing += found;
    }
    return differing;
}

#endif

int32_t sernet_selftest_features(const sernet_golden_pcm *golden, void *state, size_t bytes) {
    if (golden == NULL) return SERNET_ERROR_NULL;
    const int status = sernet_init_contract(state, bytes, golden->contract_id);
    return status < 0 ? status : compare_window(golden, state);
}
