/* The self-test: checks that this build, on this machine, computes the training's features and the
 * model's scores. On a board, call the two functions and check their return values. */
#include <stdio.h>

#include "sernet_selftest.h"
#include "sernet_selftest_features.h"

extern const sernet_golden sernet_model_golden;
extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

int main(void) {
    const long features = sernet_selftest_features(&sernet_model_golden_pcm, state, sizeof state);
    const long scores = sernet_selftest(&sernet_model_golden, state, sizeof state);
    if (features < 0 || scores < 0) {
        printf("self-test failed: features %ld, scores %ld\n", features, scores);
        return 1;
    }
    printf("features that differ by 1: %ld of %ld\n", features,
           (long)SERNET_WINDOW_FRAMES * SERNET_FEATURE_COUNT);
    printf("scores that differ: %ld of %ld\n", scores,
           (long)sernet_model_golden.windows * SERNET_LABEL_COUNT);
    puts(scores == 0 ? "self-test passed" : "self-test failed");
    return scores != 0;
}
