/* A complete program on a bare board: the two steps of the self-test, then the golden audio through
 * push and poll, like audio from a microphone. */
#include "board.h"
#include "sernet_selftest.h"
#include "sernet_selftest_features.h"

#ifdef SERNET_DECIDE
#include "sernet_decide.h"

static sernet_decider decider;

static void decide(const sernet_result *result) {
    sernet_decision decision;
    sernet_decide(&decider, result, 0, &decision);
    board_print_number("sure: ", decision.is_sure);
    for (uint32_t i = 0; i < decision.event_count; i++) {
        board_print(decision.events[i].kind == SERNET_EVENT_START ? "starts: " : "ends: ");
        board_print(sernet_labels[decision.events[i].label]);
        board_print("\n");
    }
}
#endif

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
#ifdef SERNET_DECIDE
    sernet_decider_reset(&decider);
#endif
    const int16_t *pcm = sernet_model_golden_pcm.pcm;
    for (uint32_t left = SERNET_WINDOW_SAMPLES; left > 0;) {
        /* The samples of 10 ms, or the rest. */
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
#ifdef SERNET_DECIDE
            decide(&result);
#endif
        }
    }
    board_print_number("state, bytes: ", (int32_t)sizeof state);
    board_print_number("stack, bytes: ", (int32_t)board_stack_used());
    return features < 0 || scores != 0;
}
