/* Golden audio: compares the front end on the device with the one the model was trained with. */
#ifndef SERNET_SELFTEST_FEATURES_H
#define SERNET_SELFTEST_FEATURES_H

#include "sernet.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t contract_id;
    const int16_t *pcm;     /* (SERNET_WINDOW_SAMPLES) */
    const int8_t *features; /* (SERNET_WINDOW_FRAMES, SERNET_FEATURE_COUNT) */
} sernet_golden_pcm;

/* Computes the features of one window in the state, which `sernet_init` must start again before
 * it hears anything else. Returns how many features differ from the golden ones, none of them by
 * more than 1 (SERNET_ERROR_FEATURES otherwise), or an error of sernet_init. */
int32_t sernet_selftest_features(const sernet_golden_pcm *golden, void *state, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
