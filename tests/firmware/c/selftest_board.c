/* Runs both steps of the self-test on a board; the exit code says which step failed. */
#include "report.h"
#include "sernet_selftest.h"
#include "sernet_selftest_features.h"

extern const sernet_golden sernet_model_golden;
extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

int main(void) {
    const int32_t features = sernet_selftest_features(&sernet_model_golden_pcm, state, sizeof state);
    const int32_t scores = sernet_selftest(&sernet_model_golden, state, sizeof state);
    report_number("features that differ ", features);
    report_number("scores that differ ", scores);
    return features < 0 || features > SERNET_WINDOW_FRAMES * SERNET_FEATURE_COUNT / 1000 || scores != 0;
}
