/* Computes features of golden audio on the device, and compares them with those of the training's
 * front end. */
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

/* Computes the features of one window in the state; call `sernet_init` before you use the state for
 * other audio. Returns how many features differ from the golden ones by 1, SERNET_ERROR_FEATURES if
 * a feature differs by more, or an error of sernet_init. */
int32_t sernet_selftest_features(const sernet_golden_pcm *golden, void *state, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
