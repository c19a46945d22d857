/* The whole thing on a bare board: the self-test in its two steps, then the golden audio through
 * push and poll as a microphone's would go. */
#include "board.h"
#include "sernet_selftest.h"
#include "sernet_selftest_features.h"

extern const sernet_golden sernet_model_golden;
extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

int main(void) {
    const int32_t features =
        sernet_selftest_features(&sernet_model_golden_pcm, state, sizeof state);
    board_print_number("features that differ by 1: ", features);
    const int32_t scores = sernet_selftest(&sernet_model_golden, state, sizeof state);
    board_print_number("scores that differ: ", scores);
    sernet_init(state, sizeof state);
    const int16_t *pcm = sernet_model_golden_pcm.pcm;
    for (uint32_t left = SERNET_WINDOW_SAMPLES; left > 0;) {
        /* What has come in 10 ms, or the rest. */
        const uint32_t part = SERNET_SAMPLE_RATE_HZ / 100, count = left < part ? left : part;
        const int32_t taken = sernet_push(state, pcm, count);
        if (taken < 0) return 1;
        pcm += taken;
        left -= (uint32_t)taken;
        while (sernet_work(state) == 1) {}
        sernet_result result;
        while (sernet_poll(state, &result) == 1) {
            board_print("heard: ");
            board_print(sernet_labels[result.label]);
            board_print_number(", score in %: ", (int32_t)(100.0f * result.scores[result.label]));
        }
    }
    board_print_number("state, bytes: ", (int32_t)sizeof state);
    board_print_number("stack, bytes: ", (int32_t)board_stack_used());
    return features < 0 || scores != 0;
}
