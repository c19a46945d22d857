/* Measures the whole firmware on a board, as a program would use it: it pushes a window of audio
 * and two hops more, and polls for the results. It fails unless each of the three gives one result,
 * and prints the stack in use. In the first hop it counts the pushes, which compute features, and
 * the polls, which run the network, in turn. In the second hop it counts, frame by frame, each call
 * that runs a part of the network; after a line "last" come the counts of the frame that ends the
 * window, its push first. The audio lies in flash, and the state is this program's only variable.
 * */
#include "measure.h"
#include "sernet_selftest_features.h"

extern const sernet_golden_pcm sernet_model_golden_pcm;

SERNET_STATE(state);

/* Pushes `samples` samples, repeating the audio; returns the number of results, or an error. */
static int32_t hear(uint32_t samples, int counted) {
    int32_t results = 0;
    while (samples > 0) {
        const uint32_t part = samples < SERNET_WINDOW_SAMPLES ? samples : SERNET_WINDOW_SAMPLES;
        if (counted) BOARD_COUNT_START();
        const int32_t taken = sernet_push(state, sernet_model_golden_pcm.pcm, part);
        if (counted) BOARD_COUNT_STOP();
        if (taken < 0) return taken;
        samples -= (uint32_t)taken;
        sernet_result result;
        if (counted) BOARD_COUNT_START();
        while (sernet_poll(state, &result) == SERNET_READY) results++;
        if (counted) BOARD_COUNT_STOP();
    }
    return results;
}

/* Pushes a hop, frame by frame, and counts each call of `sernet_work` and `sernet_poll`; returns
 * the number of results, or an error. */
static int32_t hear_in_parts(void) {
    int32_t results = 0;
    for (uint32_t frame = 0; frame < SERNET_EVERY_FRAMES; frame++) {
        const int is_last = frame + 1 == SERNET_EVERY_FRAMES;
        if (is_last) print_number("last ", frame);
        if (is_last) BOARD_COUNT_START();
        const int32_t taken =
            sernet_push(state, sernet_model_golden_pcm.pcm, SERNET_FRAME_STEP_SAMPLES);
        if (is_last) BOARD_COUNT_STOP();
        if (taken != SERNET_FRAME_STEP_SAMPLES) return SERNET_ERROR_SIZE;
        int status;
        do {
            BOARD_COUNT_START();
            status = sernet_work(state);
            BOARD_COUNT_STOP();
        } while (status > 0);
        sernet_result result;
        BOARD_COUNT_START();
        status = sernet_poll(state, &result);
        BOARD_COUNT_STOP();
        if (status < 0) return status;
        results += status == SERNET_READY;
    }
    return results;
}

int main(void) {
    const int status = sernet_init(state, sizeof state);
    const int32_t first = hear(SERNET_WINDOW_SAMPLES, 0);
    const int32_t second = hear(SERNET_EVERY_FRAMES * SERNET_FRAME_STEP_SAMPLES, 1);
    print_number("stack ", board_stack_used());
    const int32_t third = hear_in_parts();
    return status != SERNET_OK || first != 1 || second != 1 || third != 1;
}
